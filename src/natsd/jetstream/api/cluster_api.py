"""Requests that only a cluster can answer: a server by itself says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.jetstream.api.request import Route
from natsd.jetstream.errors import ApiError

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest


def need_cluster(request: ApiRequest) -> dict[str, Any]:
    """There is none."""
    raise ApiError("CLUSTER_REQUIRED")


ROUTES = (
    Route("STREAM.LEADER.STEPDOWN.*", need_cluster, "stream_leader_stepdown_response"),
    Route("STREAM.PEER.REMOVE.*", need_cluster, "stream_remove_peer_response"),
    Route("STREAM.PEER.EVACUATE.*", need_cluster, "stream_evacuate_peer_response"),
    Route("STREAM.CANCEL_MOVE.*", need_cluster, "stream_cancel_move_response"),
    Route("CONSUMER.LEADER.STEPDOWN.*.*", need_cluster, "consumer_leader_stepdown_response"),
)
