"""Before any test: one thread for each framework, whose pools stall each other, and torch loaded before paddle."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # tiny tensors; with more, a busy machine makes each of these tests wait a second

import torch

import convert.files

torch.set_num_threads(1)

# A file that was written this moment is waited for, in case it is written to again. The tests' files are not, and there
# are ten thousand of them; tests/convert/test_source_files.py looks at the waiting.
convert.files.TICK = 0
