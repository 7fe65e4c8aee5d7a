"""What `nats stream add` asks for when flags leave it open. Without a terminal an error names the flag.

A default can be taken for everything but name and subjects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import prompt
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.limits import split_words
from natsd.cli.nats.streams.asker import Asker
from natsd.cli.nats.streams.stream_flags import parse_source
from natsd.cli.times import render_time
from natsd.cli.values import MINUTE, SECOND, go_duration

if TYPE_CHECKING:
    from typing import Any

    Config = dict[str, Any]

DUPLICATE_WINDOW_NS = 2 * MINUTE
REQUIRED_BYTES = "256MB"


def fill_in(config: Config, defaults: bool, size_required: bool) -> Config:
    """A new stream's configuration with everything a server wants to be told."""
    config = dict(config)
    asker = Asker(config, defaults)
    is_fed = "mirror" in config or "sources" in config
    if not config.get("name"):
        config["name"] = prompt.ask("Stream Name", "the name of the stream", required=True)
    if not config.get("subjects") and not is_fed:
        config["subjects"] = split_words([prompt.ask("Subjects", "--subjects", required=True)])
    if "mirror" in config and config.get("subjects"):
        raise CommandFailed("a mirror has no subjects of its own", USAGE)
    asker.choice("storage", "Storage", ("file", "memory"), "file", "--storage")
    asker.number("num_replicas", "Replication", 1, "--replicas")
    asker.choice("retention", "Retention Policy", ("limits", "interest", "work queue"), "limits", "--retention")
    config["retention"] = config["retention"].replace("work queue", "workqueue")
    asker.choice("discard", "Discard Policy", ("new", "old"), "old", "--discard")
    asker.number("max_msgs", "Stream Messages Limit", -1, "--max-msgs")
    if config.get("subjects"):
        asker.number("max_msgs_per_subject", "Per Subject Messages Limit", -1, "--max-msgs-per-subject")
    asker.size("max_bytes", "Total Stream Size", REQUIRED_BYTES if size_required else "-1", "--max-bytes")
    asker.duration("max_age", "Message TTL", "-1", "--max-age")
    asker.size("max_msg_size", "Max Message Size", "-1", "--max-msg-size")
    if "mirror" not in config:
        max_age = config["max_age"]
        window = min(max_age, DUPLICATE_WINDOW_NS) if max_age else DUPLICATE_WINDOW_NS
        asker.duration("duplicate_window", "Duplicate tracking time window", go_duration(window), "--dupe-window")
    asker.switch("allow_rollup_hdrs", "Allow message Roll-ups", False, "--allow-rollup or --no-allow-rollup")
    asker.switch("deny_delete", "Allow message deletion", True, "--deny-delete or --no-deny-delete", True)
    asker.switch(
        "deny_purge", "Allow purging subjects or the entire stream", True, "--deny-purge or --no-deny-purge", True
    )
    for key in ("max_msgs", "max_msgs_per_subject", "max_bytes", "max_msg_size"):
        if key in config and config[key] <= 0:
            config[key] = -1
    config.setdefault("max_consumers", -1)
    config.setdefault("allow_direct", True)
    return config


def source_of(text: str, defaults: bool, what: str) -> Config:
    """A source or mirror: JSON, or a name with the rest asked for at a terminal."""
    source = parse_source(text)
    if source is not None:
        return source
    source = {"name": text}
    if defaults or not prompt.may_ask():
        return source
    if prompt.confirm(f"Adjust {what} {text} start"):
        _ask_start(source)
    if prompt.confirm(f"Adjust {what} {text} filter and transform"):
        _ask_transforms(source)
    if prompt.confirm(f"Import {what} {text} from a different JetStream domain"):
        domain = prompt.ask("Foreign JetStream domain name", "JSON", required=True)
        source["external"] = {"api": f"$JS.{domain}.API", "deliver": prompt.ask("Delivery prefix", "JSON")}
    elif prompt.confirm(f"Import {what} {text} from a different account"):
        source["external"] = {
            "api": prompt.ask("Foreign account API prefix", "JSON", required=True),
            "deliver": prompt.ask("Foreign account delivery prefix", "JSON", required=True),
        }
    return source


def _ask_start(source: Config) -> None:
    sequence = int(prompt.ask("Start Sequence", "JSON", "0", int))
    if sequence > 0:
        source["opt_start_seq"] = sequence
        return
    moment = prompt.ask("Start Time, UTC (YYYY:MM:DD HH:MM:SS)", "JSON", check=_parse_start)
    if moment:
        source["opt_start_time"] = render_time(_parse_start(moment))


def _parse_start(text: str) -> int:
    import calendar
    import time

    return calendar.timegm(time.strptime(text, "%Y:%m:%d %H:%M:%S")) * SECOND


def _ask_transforms(source: Config) -> None:
    transforms = []
    while subject := prompt.ask("Filter by subject (empty to finish)", "JSON"):
        transforms.append(
            {"src": subject, "dest": prompt.ask("Subject transform destination (empty for none)", "JSON")}
        )
    if transforms:
        source["subject_transforms"] = transforms
