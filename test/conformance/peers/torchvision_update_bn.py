"""torchvision_update_bn.py ARCH MODEL.onnx IMAGES.f32 SIZE BATCH: running statistics by torch, as JSON.

The weights come from the file by name. `torch` is torch.optim.swa_utils.update_bn; `population` is fvcore's estimator,
E[m^2 + v] - E[m]^2 with every value counted once, in float64 from the float32 inputs of the layers, in training mode.
Stochastic depth and Dropout are switched off, as an exported graph has neither."""
import json, sys
import numpy, onnx, torch, torchvision
from onnx import numpy_helper
from torch.optim.swa_utils import update_bn

arch, path, images, size, batch = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(1)
weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer}
batches = list(torch.from_numpy(numpy.fromfile(images, '<f4').reshape(-1, 3, size, size)).split(batch))


def network():
    model = getattr(torchvision.models, arch)(weights=None)
    state = model.state_dict()
    counters = {key for key in state if key.endswith('num_batches_tracked')}
    missing, unexpected = model.load_state_dict({k: v for k, v in weights.items() if k in state}, strict=False)
    assert set(missing) <= counters and not unexpected, (missing, unexpected)
    for module in model.modules():
        if isinstance(module, (torchvision.ops.StochasticDepth, torch.nn.Dropout)):
            module.p = 0.0
    return model


def layers(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}


def population():
    model = network().train()
    sums = {}

    def hook(name):
        def add(module, inputs):
            x = inputs[0].double()
            n, m, v = x.numel() / x.shape[1], x.mean([0, 2, 3]), x.var([0, 2, 3], unbiased=False)
            count, mean, square = sums.get(name, (0, 0, 0))
            sums[name] = (count + n, mean + n * m, square + n * (v + m * m))
        return add

    for name, module in layers(model).items():
        module.register_forward_pre_hook(hook(name))
    with torch.no_grad():
        for x in batches:
            model(x)
    return {name: {'mean': (m / n).tolist(), 'variance': (q / n - (m / n) ** 2).tolist()}
            for name, (n, m, q) in sums.items()}


updated = network()
update_bn(batches, updated)
by_torch = {name: {'mean': module.running_mean.tolist(), 'variance': module.running_var.tolist()}
            for name, module in layers(updated).items()}
json.dump({'torch': by_torch, 'population': population()}, sys.stdout)
