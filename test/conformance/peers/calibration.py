"""Temperature and vector scaling by torch's LBFGS, in float64: reads {labels, logits} as JSON, prints the fits."""
import json
import sys

import torch

with open(sys.argv[1]) as file:
    given = json.load(file)
logits = torch.tensor(given["logits"], dtype=torch.float64)
labels = torch.tensor(given["labels"])


def fit(parameters, apply):
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=2000, tolerance_grad=1e-11, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(apply(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(closure())


temperature = torch.ones(1, dtype=torch.float64, requires_grad=True)
nll = fit([temperature], lambda: logits / temperature)
scales = torch.ones(logits.shape[1], dtype=torch.float64, requires_grad=True)
shifts = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
vector_nll = fit([scales, shifts], lambda: logits * scales + shifts)
print(json.dumps({"temperature": float(temperature), "nll": nll, "vector_nll": vector_nll, "scales": scales.tolist()}))
