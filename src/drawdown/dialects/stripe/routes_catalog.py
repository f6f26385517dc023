"""The table of products, prices, meters and meter events."""

from __future__ import annotations

from drawdown.core.errors import (
    AlreadyExists,
    CustomerNotFound,
    DocumentChanged,
    DocumentNotFound,
    EventNotFound,
    EventReused,
    KeyReused,
    MeterNotFound,
    TooManyMeters,
)
from drawdown.dialects.stripe import (
    meter_streams,
    meters,
    prices,
    product_writes,
    products,
    wire_catalog,
)
from drawdown.dialects.stripe import requests_catalog as requests
from drawdown.dialects.stripe.idempotency import writing
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint

_PRODUCT = wire_catalog.PRODUCTS_URL + "/{product}"
_PRICE = wire_catalog.PRICES_URL + "/{price}"
_METER = wire_catalog.METERS_URL + "/{meter}"
_CHANGES = (DocumentChanged, DocumentNotFound, KeyReused)

PRODUCTS = (
    Endpoint(
        method="POST",
        path=wire_catalog.PRODUCTS_URL,
        handler=writing(product_writes.create_product),
        summary="Create a product",
        role=Role.EDITOR,
        body=requests.CreateProduct,
        answer=wire_catalog.Product,
        errors=(AlreadyExists, KeyReused),
    ),
    Endpoint(
        method="GET",
        path=wire_catalog.PRODUCTS_URL,
        handler=products.list_products,
        summary="List products, newest first",
        role=Role.VIEWER,
        query=requests.ListProducts,
        answer=wire_catalog.ProductList,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="GET",
        path=_PRODUCT,
        handler=products.retrieve_product,
        summary="Retrieve a product",
        role=Role.VIEWER,
        query=requests.One,
        answer=wire_catalog.Product,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_PRODUCT,
        handler=writing(product_writes.update_product),
        summary="Change a product",
        role=Role.EDITOR,
        body=requests.UpdateProduct,
        answer=wire_catalog.Product,
        errors=_CHANGES,
    ),
    Endpoint(
        method="DELETE",
        path=_PRODUCT,
        handler=products.delete_product,
        summary="Delete a product that has no prices",
        role=Role.EDITOR,
        query=requests.Nothing,
        answer=wire_catalog.Deleted,
        errors=(DocumentChanged, DocumentNotFound),
    ),
)

PRICES = (
    Endpoint(
        method="POST",
        path=wire_catalog.PRICES_URL,
        handler=writing(prices.create_price),
        summary="Create a price",
        role=Role.EDITOR,
        body=requests.CreatePrice,
        answer=wire_catalog.Price,
        errors=(AlreadyExists, DocumentNotFound, KeyReused, MeterNotFound),
    ),
    Endpoint(
        method="GET",
        path=wire_catalog.PRICES_URL,
        handler=prices.list_prices,
        summary="List prices, newest first",
        role=Role.VIEWER,
        query=requests.ListPrices,
        answer=wire_catalog.PriceList,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="GET",
        path=_PRICE,
        handler=prices.retrieve_price,
        summary="Retrieve a price",
        role=Role.VIEWER,
        query=requests.One,
        answer=wire_catalog.Price,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_PRICE,
        handler=writing(prices.update_price),
        summary="Change what is not an amount of a price",
        role=Role.EDITOR,
        body=requests.UpdatePrice,
        answer=wire_catalog.Price,
        errors=_CHANGES,
    ),
)

METERS = (
    Endpoint(
        method="POST",
        path=wire_catalog.METERS_URL,
        handler=writing(meters.create_meter),
        summary="Create a meter",
        role=Role.EDITOR,
        body=requests.CreateMeter,
        answer=wire_catalog.Meter,
        errors=(KeyReused, TooManyMeters),
    ),
    Endpoint(
        method="GET",
        path=wire_catalog.METERS_URL,
        handler=meters.list_meters,
        summary="List meters, newest first",
        role=Role.VIEWER,
        query=requests.ListMeters,
        answer=wire_catalog.MeterList,
        errors=(MeterNotFound,),
    ),
    Endpoint(
        method="GET",
        path=_METER,
        handler=meters.retrieve_meter,
        summary="Retrieve a meter",
        role=Role.VIEWER,
        query=requests.One,
        answer=wire_catalog.Meter,
        errors=(MeterNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_METER,
        handler=writing(meters.update_meter),
        summary="Change a meter's name",
        role=Role.EDITOR,
        body=requests.UpdateMeter,
        answer=wire_catalog.Meter,
        errors=(KeyReused, MeterNotFound),
    ),
    Endpoint(
        method="POST",
        path=_METER + "/deactivate",
        handler=writing(meters.deactivate_meter),
        summary="Take no more events for a meter",
        role=Role.EDITOR,
        body=requests.One,
        answer=wire_catalog.Meter,
        errors=(KeyReused, MeterNotFound),
    ),
    Endpoint(
        method="POST",
        path=_METER + "/reactivate",
        handler=writing(meters.reactivate_meter),
        summary="Take events for a meter again",
        role=Role.EDITOR,
        body=requests.One,
        answer=wire_catalog.Meter,
        errors=(KeyReused, MeterNotFound, TooManyMeters),
    ),
    Endpoint(
        method="GET",
        path=_METER + "/event_summaries",
        handler=meters.list_summaries,
        summary="List what a meter counted of a customer, newest first",
        role=Role.VIEWER,
        query=requests.ListSummaries,
        answer=wire_catalog.SummaryList,
        errors=(CustomerNotFound, MeterNotFound),
    ),
    Endpoint(
        method="POST",
        path=wire_catalog.METER_EVENTS_URL,
        handler=writing(meters.create_meter_event),
        summary="Record a meter event",
        role=Role.EDITOR,
        body=requests.CreateMeterEvent,
        answer=wire_catalog.MeterEvent,
        errors=(CustomerNotFound, EventReused, KeyReused),
        counted="usage",
    ),
    Endpoint(
        method="POST",
        path=wire_catalog.ADJUSTMENTS_URL,
        handler=writing(meters.create_adjustment),
        summary="Cancel a meter event",
        role=Role.EDITOR,
        body=requests.CreateAdjustment,
        answer=wire_catalog.Adjustment,
        errors=(EventNotFound, KeyReused),
    ),
)

STREAMS = (
    Endpoint(
        method="POST",
        path=meter_streams.EVENTS_URL,
        handler=writing(meter_streams.create_meter_event),
        summary="Record a meter event",
        role=Role.EDITOR,
        body=meter_streams.AskedEvent,
        answer=meter_streams.JsonMeterEvent,
        errors=(CustomerNotFound, EventReused, KeyReused),
        counted="usage",
    ),
    Endpoint(
        method="POST",
        path=meter_streams.ADJUSTMENTS_URL,
        handler=writing(meter_streams.create_adjustment),
        summary="Cancel a meter event",
        role=Role.EDITOR,
        body=meter_streams.AskedAdjustment,
        answer=meter_streams.JsonAdjustment,
        errors=(EventNotFound, KeyReused),
    ),
    Endpoint(
        method="POST",
        path=meter_streams.SESSION_URL,
        handler=meter_streams.create_session,
        summary="Open a session for streams of meter events",
        role=Role.EDITOR,
        body=meter_streams.AskedSession,
        answer=meter_streams.Session,
    ),
    Endpoint(
        method="POST",
        path=meter_streams.STREAM_URL,
        handler=meter_streams.create_stream,
        summary="Record up to 100 meter events",
        role=Role.EDITOR,
        body=meter_streams.AskedStream,
        answer=meter_streams.Taken,
        errors=(CustomerNotFound, EventReused),
        counted="usage",
    ),
)

ENDPOINTS = (*PRODUCTS, *PRICES, *METERS, *STREAMS)
