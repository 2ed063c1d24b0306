"""onnx_checker.py FILE...: one line a file, `ok` or the reason why onnx.checker refuses it."""
import sys
import onnx

for path in sys.argv[1:]:
    try:
        onnx.checker.check_model(path)
        print('ok')
    except Exception as error:
        print(' '.join(str(error).split())[:300] or type(error).__name__)
