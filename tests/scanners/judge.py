"""Asks one scanner about many files: `judge.py SCANNER < PATHS`, a path a line; a JSON line for each.

A line is `{"verdict": ..., "seconds": ...}`: `found` where the scanner itself calls the file unsafe, `clean`, `skipped` where it says
nothing, `error` where it fails or refuses, `timeout` past 60 s. Each is asked through its library, so that its start counts once.
Of modelaudit a warning counts, of fickling everything above likely safe.
"""

import json
import logging
import os
import signal
import sys
import time

SECONDS_MAX = 60


class Late(Exception):
    pass


def late(*_):
    raise Late


def modelscan():
    from modelscan.modelscan import ModelScan

    def ask(path):
        told = ModelScan().scan(path)
        if told["summary"]["total_issues"]:
            return "found"
        if told.get("errors"):
            return "error"
        return "clean" if told["summary"].get("scanned", {}).get("total_scanned", 1) else "skipped"

    return ask


def picklescan():
    from picklescan.scanner import scan_file_path

    def ask(path):
        told = scan_file_path(path)
        if told.infected_files or told.issues_count:
            return "found"
        if told.scan_err:
            return "error"
        return "clean" if told.scanned_files else "skipped"

    return ask


def fickling():
    import zipfile

    from fickling.analysis import Severity
    from fickling.loader import scan_file, scan_zip_archive

    def ask(path):
        told = scan_zip_archive(path) if zipfile.is_zipfile(path) else scan_file(path)
        told = list(told.values()) if isinstance(told, dict) else told if isinstance(told, (list, tuple)) else [told]
        if not told:
            return "skipped"
        if any((getattr(one, "severity", None) or Severity.LIKELY_SAFE) > Severity.LIKELY_SAFE for one in told):
            return "found"
        failed = any(getattr(one, name, None) for one in told for name in ("has_error", "errors", "error"))
        return "error" if failed else "clean"

    return ask


def modelaudit():
    os.environ["PROMPTFOO_DISABLE_TELEMETRY"] = os.environ["NO_ANALYTICS"] = "1"
    from modelaudit.core import scan_model_directory_or_file

    def ask(path):
        told = scan_model_directory_or_file(path, timeout=SECONDS_MAX, skip_file_types=False, cache_enabled=False)
        rated = {str(getattr(issue.severity, "value", issue.severity)).lower() for issue in told.issues}
        if rated & {"warning", "critical"}:
            return "found"
        return "error" if told.has_errors or not told.success else "clean"

    return ask


def main():
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, late)
    # What a scanner prints goes nowhere.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = open(os.devnull, "w")
    ask = {"modelscan": modelscan, "picklescan": picklescan, "fickling": fickling, "modelaudit": modelaudit}[sys.argv[1]]()
    for line in sys.stdin:
        began = time.perf_counter()
        signal.alarm(SECONDS_MAX)
        try:
            verdict = ask(line.rstrip("\n"))
        except Late:
            verdict = "timeout"
        except BaseException:  # whatever a scanner does with a hostile file is its verdict
            verdict = "error"
        signal.alarm(0)
        out.write(json.dumps({"verdict": verdict, "seconds": time.perf_counter() - began}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
