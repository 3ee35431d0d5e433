"""TensorFlow's DeepLab (github.com/tensorflow/models), as google-coral/test_data publishes it: 8-bit TFLite, taken
apart into float32 safetensors. Its 8-bit input makes a picture x the number (x - 128) / 128.
"""

from __future__ import annotations

from weights_convert.sources.rules import Source, layouts_in

SOURCE = Source(
    "tensorflow",
    "TensorFlow DeepLab, github.com/google-coral/test_data (TensorFlow), on PASCAL VOC",
    layouts_in(__name__),
    normalization="tensorflow_8bit",
)
