"""Lets torchvision be imported beside a torch that its own library was not built for: it asks for operators that classifiers do not use."""
import torch

LIBRARY = torch.library.Library('torchvision', 'DEF')
for operator in ('nms', 'qnms', 'roi_align', '_roi_align_backward', 'roi_pool', '_roi_pool_backward', 'ps_roi_align',
                 '_ps_roi_align_backward', 'ps_roi_pool', '_ps_roi_pool_backward', 'deform_conv2d',
                 '_deform_conv2d_backward', 'qroi_align'):
    try:
        LIBRARY.define(f'{operator}(Tensor input) -> Tensor')
    except RuntimeError:
        pass
