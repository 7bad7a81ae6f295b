"""Programs that live tests start, and how they end."""
import subprocess


def stop_program(program, patience_s):
    """Asked to end, and made to if it does not by then. One that has ended already stays so."""
    if program.poll() is not None:
        return
    program.terminate()
    try:
        program.wait(patience_s)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
