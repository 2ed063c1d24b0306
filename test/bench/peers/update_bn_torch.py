"""update_bn_torch.py ARCH SIZE BATCH BATCHES THREADS: for every line read, one pass of torch's update_bn over random images
that lie in memory; prints its milliseconds."""
import sys, time
import torch

# torchvision asks for operators of its own, which a build without its library lacks; a classifier uses none of them.
LIBRARY = torch.library.Library('torchvision', 'DEF')
for operator in ('nms', 'qnms', 'roi_align', '_roi_align_backward', 'roi_pool', '_roi_pool_backward', 'ps_roi_align',
                 '_ps_roi_align_backward', 'ps_roi_pool', '_ps_roi_pool_backward', 'deform_conv2d',
                 '_deform_conv2d_backward', 'qroi_align'):
    try:
        LIBRARY.define(f'{operator}(Tensor input) -> Tensor')
    except RuntimeError:
        pass
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
