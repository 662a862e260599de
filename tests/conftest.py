"""Before any test: one thread for each framework, whose pools stall each other, and torch loaded before paddle."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # tiny tensors; with more, a busy machine makes each of these tests wait a second

import torch

torch.set_num_threads(1)
