"""Six months of a metered subscription, in numbers: what is used, what it costs, which credit pays what.

Searches cost five cents each. Of a month's tokens the first 1,000 cost a quarter of a cent each, those up to
10,000 half of that and 20 cents once, those after that a sixteenth of a cent each. Exports are sold by the
hundred, for 30 cents. All of the arithmetic was done by hand; nothing here is computed.

::

    tokens    100   0.25 x 100                                                =    25
              180   0.25 x 180                                                =    45
            1,004   0.25 x 1,000 + 20 + 0.125 x 4    = 250 + 20 + 0.5  270.5  ->  271
            1,234   0.25 x 1,000 + 20 + 0.125 x 234  = 250 + 20 + 29.25       ->  299
            2,000   0.25 x 1,000 + 20 + 0.125 x 1,000                         =   395
           20,000   250 + 20 + 0.125 x 9,000 + 0.0625 x 10,000                = 2,020
           50,000   250 + 20 + 0.125 x 9,000 + 0.0625 x 40,000                = 3,895
"""

from __future__ import annotations

from typing import Any, NamedTuple

MINUTE, HOUR, DAY = 60, 3_600, 86_400
JANUARY = 1_893_456_000  # 2030-01-01T00:00:00Z
FEBRUARY = 1_896_134_400
MARCH = 1_898_553_600
APRIL = 1_901_232_000
MAY = 1_903_824_000
JUNE = 1_906_502_400
JULY = 1_909_094_400

SEARCH: dict[str, Any] = {"unit_amount": 5}
TOKENS: dict[str, Any] = {
    "billing_scheme": "tiered",
    "tiers_mode": "graduated",
    "tiers": [
        {"up_to": 1_000, "unit_amount_decimal": "0.25"},
        {"up_to": 10_000, "unit_amount_decimal": "0.125", "flat_amount": 20},
        {"up_to": "inf", "unit_amount_decimal": "0.0625"},
    ],
}
EXPORTS: dict[str, Any] = {
    "unit_amount": 30,
    "transform_quantity": {"divide_by": 100, "round": "up"},
}
PRICES = {"search": SEARCH, "tokens": TOKENS, "exports": EXPORTS}


class Given(NamedTuple):
    """A grant, in cents. ``price``: the one that it pays for; None: all that are metered."""

    cents: int
    category: str = "paid"
    price: str | None = None
    priority: int | None = None
    effective_at: int | None = None
    expires_at: int | None = None


#: All of January's are there before anything is used.
GRANTS = {
    "paid": Given(1_500),
    "welcome": Given(500, "promotional", expires_at=MARCH + 30 * MINUTE),
    "tokens": Given(120, "promotional", price="tokens", priority=10),
    "search": Given(600, price="search", expires_at=APRIL + 14 * DAY),
    "soon": Given(250, "promotional", priority=60, effective_at=APRIL),
    "brief": Given(90, "promotional", expires_at=JANUARY + 19 * DAY),
    "mistake": Given(77, "promotional"),
}
TOP_UP = Given(900)


class Line(NamedTuple):
    """Of an invoice: what was used, its cost, and what each grant pays of it, in this order."""

    price: str
    quantity: str
    cents: int
    paid: dict[str, int]


class Bill(NamedTuple):
    """``credit`` is all that pays, ``due`` what is left of ``subtotal``."""

    status: str
    reason: str
    start: int
    end: int
    lines: tuple[Line, ...]
    subtotal: int
    credit: int
    due: int


CREATED, CYCLE = "subscription_create", "subscription_cycle"

FIRST = Bill(
    "paid",
    CREATED,
    JANUARY,
    JANUARY,
    (),
    0,
    0,
    0,
)
#: Of what expires soonest first, but for priority; what expires in the month pays nothing at its end.
OF_JANUARY = Bill(
    "paid",
    CYCLE,
    JANUARY,
    FEBRUARY,
    (
        Line("search", "37", 185, {"welcome": 185}),
        Line("tokens", "1234", 299, {"tokens": 120, "welcome": 179}),
    ),
    484,
    484,
    0,
)
#: As it was drawn up; 80 tokens are taken back before it is final.
DRAFT_OF_FEBRUARY = Bill(
    "draft",
    CYCLE,
    FEBRUARY,
    MARCH,
    (
        Line("search", "10", 50, {"welcome": 50}),
        Line("tokens", "180", 45, {"welcome": 45}),
    ),
    95,
    95,
    0,
)
#: By a grant that expired while the draft was open.
OF_FEBRUARY = Bill(
    "paid",
    CYCLE,
    FEBRUARY,
    MARCH,
    (
        Line("search", "10", 50, {"welcome": 50}),
        Line("tokens", "100", 25, {"welcome": 25}),
    ),
    75,
    75,
    0,
)
#: By a grant, too, that becomes effective with the period's last instant.
OF_MARCH = Bill(
    "open",
    CYCLE,
    MARCH,
    APRIL,
    (
        Line("search", "60", 300, {"search": 300}),
        Line("tokens", "20000", 2_020, {"paid": 1_500, "soon": 250}),
    ),
    2_320,
    2_050,
    270,
)
#: By what came back of March's, which is void by then.
OF_APRIL = Bill(
    "open",
    CYCLE,
    APRIL,
    MAY,
    (
        Line("search", "100", 500, {"paid": 500}),
        Line("tokens", "50000", 3_895, {"paid": 1_000, "soon": 250}),
    ),
    4_395,
    1_750,
    2_645,
)
SECOND_FIRST = Bill(
    "paid",
    CREATED,
    MAY + 9 * DAY,
    MAY + 9 * DAY,
    (),
    0,
    0,
    0,
)
#: The older subscription's draft takes first.
DRAFT_OF_MAY = Bill(
    "draft",
    CYCLE,
    MAY,
    JUNE,
    (
        Line("search", "80", 400, {"top-up": 400}),
        Line("tokens", "2000", 395, {"top-up": 395}),
    ),
    795,
    795,
    0,
)
DRAFT_OF_EXPORTS = Bill(
    "draft",
    CYCLE,
    MAY + 9 * DAY,
    JUNE,
    (Line("exports", "450", 150, {"top-up": 105}),),
    150,
    105,
    45,
)
#: The younger one's is made final before it, and so gets all that it asks for.
OF_EXPORTS = Bill(
    "paid",
    CYCLE,
    MAY + 9 * DAY,
    JUNE,
    (Line("exports", "450", 150, {"top-up": 150}),),
    150,
    150,
    0,
)
DRAFT_OF_MAY_AFTER = Bill(
    "draft",
    CYCLE,
    MAY,
    JUNE,
    (
        Line("search", "80", 400, {"top-up": 400}),
        Line("tokens", "2000", 395, {"top-up": 350}),
    ),
    795,
    750,
    45,
)
#: By what it had set aside of a grant that was expired while it was a draft.
OF_JUNE = Bill(
    "paid",
    CYCLE,
    JUNE,
    JULY,
    (
        Line("search", "30", 150, {"top-up": 150}),
        Line("tokens", "1004", 271, {"top-up": 271}),
    ),
    421,
    421,
    0,
)

#: What ``/v1/events`` tells of grants, their transactions, invoices and subscriptions, the oldest first: of
#: what, and with which types. Of a transaction it says the grant.
EVENTS = """
paid:     billing.credit_grant.created billing.credit_balance_transaction.created
welcome:  billing.credit_grant.created billing.credit_balance_transaction.created
tokens:   billing.credit_grant.created billing.credit_balance_transaction.created
search:   billing.credit_grant.created billing.credit_balance_transaction.created
soon:     billing.credit_grant.created billing.credit_balance_transaction.created
brief:    billing.credit_grant.created billing.credit_balance_transaction.created
mistake:  billing.credit_grant.created billing.credit_balance_transaction.created
mistake:  billing.credit_grant.updated billing.credit_balance_transaction.created
first:    invoice.created invoice.finalized invoice.paid invoice.payment_succeeded
main:     customer.subscription.created

brief:    billing.credit_balance_transaction.created
January:  invoice.created
main:     customer.subscription.updated
January:  invoice.finalized invoice.paid invoice.payment_succeeded invoice.updated
welcome:  billing.credit_balance_transaction.created
tokens:   billing.credit_balance_transaction.created
welcome:  billing.credit_balance_transaction.created

February: invoice.created
main:     customer.subscription.updated
welcome:  billing.credit_balance_transaction.created
February: invoice.finalized invoice.paid invoice.payment_succeeded invoice.updated
welcome:  billing.credit_balance_transaction.created
welcome:  billing.credit_balance_transaction.created
welcome:  billing.credit_balance_transaction.created

March:    invoice.created
main:     customer.subscription.updated
March:    invoice.finalized invoice.updated
search:   billing.credit_balance_transaction.created
paid:     billing.credit_balance_transaction.created
soon:     billing.credit_balance_transaction.created
search:   billing.credit_balance_transaction.created
March:    invoice.voided invoice.updated
soon:     billing.credit_balance_transaction.created
paid:     billing.credit_balance_transaction.created
search:   billing.credit_balance_transaction.created billing.credit_balance_transaction.created

April:    invoice.created
main:     customer.subscription.updated
April:    invoice.finalized invoice.updated
paid:     billing.credit_balance_transaction.created billing.credit_balance_transaction.created
soon:     billing.credit_balance_transaction.created
April:    invoice.marked_uncollectible invoice.updated

top-up:   billing.credit_grant.created billing.credit_balance_transaction.created
second:   invoice.created invoice.finalized invoice.paid invoice.payment_succeeded
extra:    customer.subscription.created
May:      invoice.created
main:     customer.subscription.updated
exports:  invoice.created
extra:    customer.subscription.updated
exports:  invoice.finalized invoice.paid invoice.payment_succeeded invoice.updated
May:      invoice.updated
top-up:   billing.credit_balance_transaction.created
May:      invoice.deleted
extra:    customer.subscription.deleted

June:     invoice.created
main:     customer.subscription.updated
top-up:   billing.credit_grant.updated billing.credit_balance_transaction.created
June:     invoice.finalized invoice.paid invoice.payment_succeeded invoice.updated
top-up:   billing.credit_balance_transaction.created billing.credit_balance_transaction.created
main:     customer.subscription.deleted
"""
