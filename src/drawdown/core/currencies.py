"""Currencies: entitlements that exist in every book by themselves, under their ISO 4217 code.

One is kept at seven places beyond its minor unit, at most ten (USD: nine), because one call of a
language model costs less than a cent. Minor units: ISO 4217 list one, 2026 (see ``docs/glossary.md``).
Codes to which it gives no minor unit (metals, special drawing rights, testing) are left out; funds that
have one (CHE, CLF, USN) are in. BGN, which the list dropped with 2026, is kept: credit in it may still be
granted and used up.
"""

from __future__ import annotations

from functools import lru_cache

from drawdown.core.identity import derive
from drawdown.core.types import Entitlement, Id, Instant

EXTRA_PLACES = 7
SCALE_MAX = 10

_NO_MINOR = "bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf"
_TWO_PLACES = (
    "aed afn all amd aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob bov brl bsd btn bwp byn bzd cad cdf "
    "che chf chw cny cop cou crc cup cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd "
    "gtq gyd hkd hnl htg huf idr ils inr irr jmd kes kgs khr kpw kyd kzt lak lbp lkr lrd lsl mad mdl "
    "mga mkd mmk mnt mop mru mur mvr mwk mxn mxv myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr "
    "pln qar ron rsd rub sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt top "
    "try ttd twd tzs uah usd usn uyu uzs ved ves wst xcd xcg yer zar zmw zwg"
)
_THREE_PLACES = "bhd iqd jod kwd lyd omr tnd"
_FOUR_PLACES = "clf uyw"

#: Places of the minor unit by lower-case code: ``{"usd": 2, "jpy": 0, ...}``.
MINOR_PLACES: dict[str, int] = {
    code: places
    for places, codes in (
        (0, _NO_MINOR),
        (2, _TWO_PLACES),
        (3, _THREE_PLACES),
        (4, _FOUR_PLACES),
    )
    for code in codes.split()
}


def scale_of(code: str) -> int:
    return min(MINOR_PLACES[code] + EXTRA_PLACES, SCALE_MAX)


@lru_cache(maxsize=4096)
def entitlement_id(book: Id, code: str) -> Id:
    """The id of a currency's entitlement in a book: always the same, so that none need be made."""
    return derive(book, f"currency:{code}")


@lru_cache(maxsize=64)
def codes_by_id(book: Id) -> dict[Id, str]:
    """Every currency's entitlement id in ``book``, to its code."""
    return {entitlement_id(book, code): code for code in MINOR_PLACES}


def entitlement(book: Id, code: str, created_at: Instant) -> Entitlement:
    return Entitlement(
        id=entitlement_id(book, code),
        book=book,
        created_at=created_at,
        updated_at=created_at,
        code=code,
        name=code.upper(),
        unit=code.upper(),
        scale=scale_of(code),
        currency=code,
    )


def minor_floor(units: int, code: str) -> int:
    """Whole minor units in ``units``, rounded down: what a dialect of whole cents can show."""
    minor_unit: int = 10 ** (scale_of(code) - MINOR_PLACES[code])
    return units // minor_unit
