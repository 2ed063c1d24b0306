"""What timm's validate.py does, as short as can be: ImageFolder, timm's transform, DataLoader, torch eager on the CPU.

validate_timm.py make NAME CLASSES STATE.pth MODEL.onnx: seeded weights, and their export.
validate_timm.py run NAME STATE.pth FOLDER THREADS WORKERS BATCH: prints images/s from the first to the last batch, top-1, and the images.
"""
import sys
import time

import torch

import torchvision_operators  # noqa: F401, before torchvision
import timm
from timm.data import create_transform
from torchvision.datasets import ImageFolder


def make(name: str, classes: str, state: str, model: str) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=int(classes)).eval()
    torch.save(network.state_dict(), state)
    image = torch.zeros(1, 3, 224, 224)
    axes = {'input': {0: 'batch'}, 'logits': {0: 'batch'}}
    torch.onnx.export(network, (image,), model, input_names=['input'], output_names=['logits'], dynamic_axes=axes,
                      dynamo=False)


def run(name: str, state: str, folder: str, threads: str, workers: str, batch: str) -> None:
    torch.set_num_threads(int(threads))
    transform = create_transform((3, 224, 224), is_training=False, crop_pct=0.875, interpolation='bilinear')
    data = ImageFolder(folder, transform)
    network = timm.create_model(name, num_classes=len(data.classes))
    network.load_state_dict(torch.load(state))
    network.eval()
    loader = torch.utils.data.DataLoader(data, int(batch), num_workers=int(workers))
    start, images, right = time.time(), 0, 0
    with torch.inference_mode():
        for pictures, labels in loader:
            right += (network(pictures).argmax(1) == labels).sum().item()
            images += len(labels)
    print(images / (time.time() - start), right / images, images)


if __name__ == '__main__':
    {'make': make, 'run': run}[sys.argv[1]](*sys.argv[2:])
