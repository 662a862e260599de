"""What a verification found, for CI: JUnit's XML, one test case a gate."""

from __future__ import annotations

from xml.etree import ElementTree

from convert.visible import joined, printable, visible
from verify.gate import Verdict
from verify.result import Result
from verify.store.words import fact_words

NAME = "paddleferry.verify"


def as_junit(result: Result) -> str:
    """The gates as JUnit's XML: a gate that failed is a failure, one that did not run is skipped.

    The attributes are those that Jenkins, GitLab and GitHub's reporters share: https://github.com/testmoapp/junitxml.
    Characters that XML 1.0 forbids stand as their escapes.
    """
    verdicts = [gate.verdict for gate in result.gates]
    counts = {
        "tests": len(verdicts),
        "failures": verdicts.count(Verdict.FAILED),
        "errors": 0,
        "skipped": verdicts.count(Verdict.NOT_RUN),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", {"name": NAME, **attributes})
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in fact_words(result.facts).items():
        ElementTree.SubElement(properties, "property", name=visible(key), value=visible(value))
    for gate in result.gates:
        case = ElementTree.SubElement(suite, "testcase", classname=NAME, name=visible(gate.name))
        measured = visible(gate.outcome)
        if gate.verdict is Verdict.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=measured, type="gate")
            failure.text = joined([f"limit: {gate.limit}", *gate.problems])
        elif gate.verdict is Verdict.NOT_RUN:
            ElementTree.SubElement(case, "skipped", message=measured)
        else:
            ElementTree.SubElement(case, "system-out").text = joined([measured, f"limit: {gate.limit}"])
    ElementTree.indent(root)
    document = ElementTree.tostring(root, encoding="unicode")
    return printable(f'<?xml version="1.0" encoding="utf-8"?>\n{document}\n')
