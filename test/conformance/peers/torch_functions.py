"""Exports a small network with its blocks as local functions, and without. Prints the files as JSON.

torch_functions.py FOLDER
"""

import contextlib
import json
import os
import sys
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
folder = sys.argv[1]


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = Block(3, 8), Block(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.b(self.a(x)).mean((2, 3)))


torch.manual_seed(0)
model = Net().eval()
nn.init.uniform_(model.b.bn.running_mean)
kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "opset_version": 17}
files = {}
for form, functions in {"functions": {Block}, "plain": False}.items():
    files[form] = os.path.join(folder, f"{form}.onnx")
    with contextlib.redirect_stdout(sys.stderr):
        torch.onnx.export(
            model, (torch.randn(2, 3, 12, 12),), files[form], dynamo=False, export_modules_as_functions=functions,
            input_names=["x"], dynamic_axes={"x": {0: "n"}}, **kept,
        )
print(json.dumps(files))
