"""The clinical core: grades ICANS and matches protocols. Pure; knows no FHIR, HTTP, SQL or clock."""

from rules.assessing import Assessment, Knowledge, Proposal, assess, load_knowledge
from rules.documents import Citation, DocumentRef, KnowledgeError
from rules.dosing import Dose
from rules.grading import DomainGrade, Grading, SetAside
from rules.protocol import Protocol, Row, Topic
from rules.recommending import Advice
from rules.snapshot import (
    Administration,
    ChartedGrade,
    ClinicalSnapshot,
    Diagnosis,
    Domain,
    Exposure,
    Finding,
    Measurement,
    Note,
    Order,
)

__all__ = [
    "Administration",
    "Advice",
    "Assessment",
    "ChartedGrade",
    "Citation",
    "ClinicalSnapshot",
    "Diagnosis",
    "DocumentRef",
    "Domain",
    "DomainGrade",
    "Dose",
    "Exposure",
    "Finding",
    "Grading",
    "Knowledge",
    "KnowledgeError",
    "Measurement",
    "Note",
    "Order",
    "Proposal",
    "Protocol",
    "Row",
    "SetAside",
    "Topic",
    "assess",
    "load_knowledge",
]
