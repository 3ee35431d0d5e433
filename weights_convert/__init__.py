"""Moves weights between PyTorch, PaddlePaddle and MXNet, and in from published repositories, with numpy alone.

`formats` reads and writes the files, `sources` maps the names of each origin to the presets of this repository.
No framework is imported, and nothing in a weight file is ever run.
"""

from weights_convert.convert import convert_file
from weights_convert.load import Imported, LoadedWeights, import_weights, load_weights

__all__ = ["Imported", "LoadedWeights", "convert_file", "import_weights", "load_weights"]
