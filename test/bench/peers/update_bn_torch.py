"""update_bn_torch.py ARCH SIZE BATCH BATCHES THREADS: for every line read, one pass of torch's update_bn over random images
that lie in memory; prints its milliseconds."""
import sys, time
import torch

import torchvision_operators  # noqa: F401, before torchvision
import torchvision
from torch.optim.swa_utils import update_bn

arch = sys.argv[1]
size, batch, count, threads = map(int, sys.argv[2:6])
torch.set_num_threads(threads)
model = getattr(torchvision.models, arch)(weights=None)
batches = [torch.randn(batch, 3, size, size) for _ in range(count)]
print('ready', flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    update_bn(batches, model)
    print((time.perf_counter() - start) * 1000, flush=True)
