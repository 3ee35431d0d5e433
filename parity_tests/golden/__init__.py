"""The backends against the originals: `python -m parity_tests.golden PATH… [--backends torch,paddle,mxnet]`.

A golden file (safetensors) holds what an original implementation computes, but no weights: every parameter is a
function of its own name and shape, batch-norm statistics stand in the file, and the input is a function of shape and
seed. Here the parameters are made again under the original's names, imported through `weights_convert.sources`, loaded
into each backend, and the outputs compared, in inference mode and in training mode (batch statistics, dropout off).

files: the files and their recipe · network: which preset a file is, and what its outputs are · rounding: how far a
correct implementation may be off · run: the comparison.
"""
