"""torchvision_fixres.py ARCH MODEL.onnx IMAGES.f32 SIZE BATCH TEMPERATURE: FixRes by torch, as JSON.

The weights come from the file by name. For each mode: the losses of three epochs, the classifier afterwards, and the
parameters and running statistics of the last BatchNormalization. Labels are 7 i mod 1000; with TEMPERATURE other than 1,
targets are softmax(one-hot(label) * 5) and the loss is T^2 times the cross-entropy of softmaxes at T."""
import json, sys
import numpy, onnx, torch, torchvision
import torch.nn.functional as F
from onnx import numpy_helper

arch, path, images, size, batch, temperature = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
torch.set_num_threads(1)
weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer}
x = torch.from_numpy(numpy.fromfile(images, '<f4').reshape(-1, 3, size, size))
y = torch.tensor([7 * i % 1000 for i in range(len(x))])
LAST = {'resnet18': 'layer4.1.bn2', 'mobilenet_v2': 'features.18.1', 'efficientnet_b0': 'features.8.1', 'densenet121': 'features.norm5'}
CLASSIFIER = {'resnet18': 'fc', 'mobilenet_v2': 'classifier.1', 'efficientnet_b0': 'classifier.1', 'densenet121': 'classifier'}

found = {}
for mode in ('fc', 'paper', 'affine'):
    model = getattr(torchvision.models, arch)(weights=None)
    state = model.state_dict()
    model.load_state_dict({k: v for k, v in weights.items() if k in state}, strict=False)
    modules = dict(model.named_modules())
    last, classifier = modules[LAST[arch]], modules[CLASSIFIER[arch]]
    for p in model.parameters():
        p.requires_grad = False
    trained = list(classifier.parameters()) + (list(last.parameters()) if mode == 'affine' else [])
    for p in trained:
        p.requires_grad = True
    sgd = torch.optim.SGD(trained, 0.02, momentum=.9, weight_decay=1e-3)
    losses = []
    for epoch in range(3):
        model.eval()
        last.train(mode != 'fc')
        total = 0.
        for i in range(0, len(x), batch):
            z, labels = model(x[i:i + batch]), y[i:i + batch]
            if temperature == 1:
                loss = F.cross_entropy(z, labels, label_smoothing=.1)
            else:
                target = F.softmax(5. * F.one_hot(labels, z.shape[1]).float() / temperature, 1)
                loss = -temperature ** 2 * (target * F.log_softmax(z / temperature, 1)).sum(1).mean()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            total += loss.item() * len(labels)
        losses.append(total / len(x))
    found[mode] = {'losses': losses, 'weight': classifier.weight[:8].flatten().tolist(), 'bias': classifier.bias.tolist(),
                   'scale': last.weight.tolist(), 'shift': last.bias.tolist(),
                   'mean': last.running_mean.tolist(), 'variance': last.running_var.tolist()}
json.dump(found, sys.stdout)
