"""peak_memory.py SCRIPT ARGS...: runs SCRIPT, then writes the process's peak resident memory (KiB) to descriptor 3."""
import os, re, resource, runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
try:
    kib = int(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read()).group(1))
except OSError:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
os.write(3, b'%d\n' % kib)
