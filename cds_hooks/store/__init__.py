"""What was decided and what became of it. The only room that knows SQL, with migrations/ beside it."""

from cds_hooks.store.engine import StoreError
from cds_hooks.store.failures import StoreUnavailable
from cds_hooks.store.records import FeedbackCount, Heard
from cds_hooks.store.store import Store

__all__ = ["FeedbackCount", "Heard", "Store", "StoreError", "StoreUnavailable"]
