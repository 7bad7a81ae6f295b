"""Programs that live tests start, and how they end."""
import os
import subprocess
import time

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")


def start_engine(conf, log_path, patience_s=20, env=None):
    """An engine that runs; what it says is added to a file, where it says so, too."""
    with open(log_path, "ab") as log:
        said = log.tell()
        engine = subprocess.Popen([HIKYAKU, "run", "-c", conf], stdout=log, stderr=log, env=env)
    end = time.monotonic() + patience_s
    while time.monotonic() < end and engine.poll() is None:
        with open(log_path, "rb") as log:
            log.seek(said)
            text = log.read()
        if b" running: " in text:
            return engine
        time.sleep(0.01)
    stop_program(engine, 1)
    raise AssertionError("the engine does not run: " + text.decode("utf-8", "replace")[-1000:])


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
