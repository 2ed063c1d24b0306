"""onnx_to_pth.py IN.onnx OUT.pth...: the initializers as a torch state dict, for average_torch.py; pairs of paths."""
import sys, torch, onnx
from onnx import numpy_helper
for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
    tensors = onnx.load(source).graph.initializer
    torch.save({t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in tensors}, target)
