"""Runs code for onnxruntime as a model card has it, each in its folder; prints the scores that it found."""
import contextlib, io, json, os, sys

found = []
for folder, code in json.load(open(sys.argv[1])):
    os.chdir(folder)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
    found.append(names["scores"].tolist())
print(json.dumps(found))
