"""peak_memory.py SCRIPT ARGS...: runs SCRIPT, then writes the process's peak resident memory (KiB) and processor time (us) to descriptor 3."""
import os, re, resource, runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
try:
    kib = int(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read()).group(1))
except OSError:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
used = resource.getrusage(resource.RUSAGE_SELF)
os.write(3, b'%d %d\n' % (kib, 1e6 * (used.ru_utime + used.ru_stime)))
