"""Any model of PyTorch and any of Paddle: a mapping is proposed by structure, and proven by random weights."""
