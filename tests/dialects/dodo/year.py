"""A year of a subscription to five kinds of credit, in numbers: what is used, what is left, what is owed.

Each kind has its own rules and its own meter, of which 1,000 units cost a credit; all usage is at the
beginning of a cycle. Trial until 2031-01-31, then a cycle of 100 credits of each kind ends with every month.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

BEGINS, FIRST = "2031-01-17T00:00:00Z", "2031-01-31T00:00:00Z"
ENDS = (
    *("2031-02-28", "2031-03-31", "2031-04-30", "2031-05-31", "2031-06-30", "2031-07-31"),
    *("2031-08-31", "2031-09-30", "2031-10-31", "2031-11-30", "2031-12-31", "2032-01-31"),
)
EACH = Decimal(100)
#: Of the trial's credit, how much is used in it; the rest expires as it ends.
TRIAL, TRIAL_USED = Decimal(5), Decimal(2)


class Month(NamedTuple):
    """One cycle: what it opens with and what is owed then, what is used, what is left and owed after."""

    opened: str
    owes: str
    used: str
    left: str
    owed: str


class Kind(NamedTuple):
    """``settings`` are the entitlement's, ``attached`` what its attachment says beside the amount.

    ``at_end``: what each type of the ledger's rows adds up to over the year, until the last cycle began.
    """

    name: str
    settings: dict[str, Any]
    attached: dict[str, Any]
    months: tuple[Month, ...]
    at_end: dict[tuple[str, bool], str]

    @property
    def limit(self) -> str | None:
        limit = self.settings.get("overage_limit")
        return None if limit is None else str(limit)


def _months(*rows: str) -> tuple[Month, ...]:
    return tuple(Month(*row.split()) for row in rows)


_PRICED = {"overage_enabled": True, "price_per_unit": "2", "currency": "USD"}

#: Half of what is left is carried on, once, and drawn before what is new; overage is forgiven.
ROLLING = Kind(
    name="Rolling",
    settings=_PRICED
    | {
        "rollover_enabled": True,
        "rollover_percentage": 50,
        "max_rollover_count": 1,
        "overage_limit": 40,
        "overage_behavior": "forgive_at_reset",
    },
    attached={},
    months=_months(
        "100     0  40      60     0",
        "130     0  150     0      20",
        "100     0  0       100    0",
        "150     0  20      130    0",
        "150     0  190     0      40",
        "100     0  99.5    0.5    0",
        "100.25  0  110.25  0      10",
        "100     0  100     0      0",
        "100     0  33.33   66.67  0",
        "133.33  0  0       133.33 0",
        "150     0  150     0      0",
        "100     0  25      75     0",
        "137.5   0  0       137.5  0",
    ),
    at_end={
        ("credit_added", True): "1300",
        ("credit_deducted", False): "848.08",
        ("overage_charged", False): "70",
        ("overage_reset", False): "70",
        ("credit_rolled_over", False): "251.08",
        ("credit_rolled_over", True): "251.08",
        ("credit_expired", False): "251.09",
        ("rollover_forfeited", False): "63.33",
    },
)
#: What is left stays; what is owed is invoiced as the cycle ends.
INVOICED = Kind(
    name="Invoiced",
    settings=_PRICED | {"overage_behavior": "invoice_at_billing"},
    attached={},
    months=_months(
        "100  0  130  0   30",
        "100  0  80   20  0",
        "120  0  120  0   0",
        "100  0  100  0   0",
        "100  0  150  0   50",
        "100  0  0    100 0",
        "200  0  210  0   10",
        "100  0  100  0   0",
        "100  0  50   50  0",
        "150  0  175  0   25",
        "100  0  100  0   0",
        "100  0  90   10  0",
        "110  0  0    110 0",
    ),
    at_end={
        ("credit_added", True): "1300",
        ("credit_deducted", False): "1190",
        ("overage_charged", False): "115",
        ("overage_reset", False): "115",
    },
)
#: What is owed stays, beside new credit, up to 60; what is used past that is not charged.
DEFICIT = Kind(
    name="Deficit",
    settings=_PRICED | {"overage_behavior": "carry_deficit", "overage_limit": 60},
    attached={},
    months=_months(
        "100  0   130  0   30",
        "100  30  100  0   30",
        "100  30  110  0   40",
        "100  40  90   10  40",
        "110  40  80   30  40",
        "130  40  100  30  40",
        "130  40  145  0   55",
        "100  55  0    100 55",
        "200  55  205  0   60",
        "100  60  103  0   60",
        "100  60  50   50  60",
        "150  60  150  0   60",
        "100  60  0    100 60",
    ),
    at_end={
        ("credit_added", True): "1300",
        ("credit_deducted", False): "1200",
        ("overage_charged", False): "60",
    },
)
#: What is owed is repaid from the next credit.
REPAID = Kind(
    name="Repaid",
    settings=_PRICED | {"overage_behavior": "carry_deficit_auto_repay"},
    attached={},
    months=_months(
        "100  0    130    0     30",
        "70   0    100    0     30",
        "70   0    50     20    0",
        "120  0    120    0     0",
        "100  0    350    0     250",
        "0    150  0      0     150",
        "0    50   10     0     60",
        "40   0    40     0     0",
        "100  0    25     75    0",
        "175  0    200    0     25",
        "75   0    75     0     0",
        "100  0    99.99  0.01  0",
        "100.01 0  0      100.01 0",
    ),
    at_end={
        ("credit_added", True): "1300",
        ("credit_deducted", False): "854.99",
        ("overage_charged", False): "345",
    },
)
#: Each month's credit lives for 45 days; nothing is owed, and 20 is low.
EXPIRING = Kind(
    name="Expiring",
    settings={"expires_after_days": 45},
    attached={
        "low_balance_threshold_percent": 20,
        "trial_credits": str(TRIAL),
        "trial_credits_expire_after_trial": True,
    },
    months=_months(
        "100  0  70   30   0",
        "130  0  0    130  0",
        "200  0  110  90   0",
        "190  0  175  15   0",
        "115  0  0    115  0",
        "200  0  200  0    0",
        "100  0  150  0    0",
        "100  0  80   20   0",
        "120  0  60   60   0",
        "160  0  0    160  0",
        "200  0  0    200  0",
        "200  0  0    200  0",
        "200  0  0    200  0",
    ),
    at_end={
        ("credit_added", True): "1305",
        ("credit_deducted", False): "797",
        ("credit_expired", False): "308",
    },
)
KINDS = (ROLLING, INVOICED, DEFICIT, REPAID, EXPIRING)
#: What expired of that, and when: the trial's, and each month's rest after 45 days.
EXPIRED = (
    ("2031-01-31T00:00:00Z", "3"),
    ("2031-03-17T00:00:00Z", "30"),
    ("2031-06-14T00:00:00Z", "15"),
    ("2031-11-14T00:00:00Z", "60"),
    ("2031-12-15T00:00:00Z", "100"),
    ("2032-01-14T00:00:00Z", "100"),
)
#: And what was left whenever that came down to 20 or less. The trial's was less from the beginning, which its
#: first use tells.
LOW = ("4", "15", "0", "0", "20")
