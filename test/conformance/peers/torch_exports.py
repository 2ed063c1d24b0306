"""torch_exports.py DIR: exports a small network by every form that the hints name, and the default; prints the files as JSON."""
import json, os, sys, warnings

import torch

warnings.simplefilter('ignore')
folder = sys.argv[1]
torch.manual_seed(0)
layers = [torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3, bias=False),
          torch.nn.BatchNorm2d(5), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(5, 3)]
model = torch.nn.Sequential(*layers).eval()
# A bias of zeros is left out by the exporter: as after training, none is.
for layer in (layers[1], layers[4]):
    torch.nn.init.normal_(layer.bias)
    layer.running_mean.normal_()
keep = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
forms = {'default': {}, 'unoptimized': dict(optimize=False), 'torchscript': dict(dynamo=False),
         'torchscript-kept': dict(dynamo=False, **keep)}
files = {}
out, sys.stdout = sys.stdout, sys.stderr
for name, options in forms.items():
    files[name] = os.path.join(folder, name + '.onnx')
    torch.onnx.export(model, (torch.randn(2, 3, 12, 12),), files[name], input_names=['input'], output_names=['logits'], **options)
print(json.dumps(files), file=out)
