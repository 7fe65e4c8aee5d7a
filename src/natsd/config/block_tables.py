"""The keys of blocks within a configuration, by block. What the server cannot do yet is in later_tables.py."""

from __future__ import annotations

from natsd.config.later_tables import LATER_BLOCKS
from natsd.config.option import Option

BLOCKS: dict[str, tuple[Option, ...]] = {
    "authorization": (
        Option("user username", "text", "The only user", default=""),
        Option("password pass", "text", "Password, plain or as a bcrypt hash", default=""),
        Option("token", "text", "Token that stands for a user", default=""),
        Option("timeout", "auth_timeout", "Time to give credentials in", sets="timeout_s", default=2.0),
        Option("users", "users", "Users, each with its rights"),
        Option(
            "default_permissions default_permission permissions",
            "block permissions",
            "Rights of users that have none of their own",
        ),
        Option("auth_callout auth_hook", "block auth_callout", "Service that decides who may connect"),
        Option("proxy_required", "bool", "The user has to come through a trusted proxy", default=False),
    ),
    "user": (
        Option("user username", "text", "Name", default=""),
        Option("password pass", "text", "Password, plain or as a bcrypt hash", default=""),
        Option("nkey", "text", "Public user nkey, in place of name and password", default=""),
        Option("permissions permission authorization", "block permissions", "Rights"),
        Option(
            "allowed_connection_types connection_types clients", "connection_types", "Kinds of connections it may use"
        ),
        Option("proxy_required", "bool", "It has to come through a trusted proxy", default=False),
    ),
    "permissions": (
        Option("publish pub import", "rules", "Subjects to publish to"),
        Option("subscribe sub export", "queue_rules", 'Subjects to subscribe to, also as "subject queue"'),
        Option(
            "allow_responses publish_allow_responses", "responses", "Publishing to the replies of received requests"
        ),
    ),
    "rules": (
        Option("allow", "subjects", "What is allowed; everything when not set"),
        Option("deny", "subjects", "What is not allowed all the same"),
    ),
    "queue_rules": (
        Option("allow", "queue_subjects", "What is allowed; everything when not set"),
        Option("deny", "queue_subjects", "What is not allowed all the same"),
    ),
    "responses": (
        Option("max max_msgs max_messages max_responses", "int", "Replies to one request", sets="max_msgs", default=1),
        Option("expires expiration ttl", "strict_duration", "Time for them", sets="expires_s", default=120.0),
    ),
    "auth_callout": (
        Option("issuer", "account_key", "Public account nkey that signs the answers"),
        Option("account acc", "text", "Account of the service", default="$G"),
        Option("auth_users users", "text_list", "Users that are not asked about"),
        Option("xkey key", "curve_key", "Public curve key to encrypt requests for"),
        Option("allowed_accounts", "text_list", "Accounts it may put users into"),
    ),
    "account": (
        Option("nkey", "account_key", "Public account nkey"),
        Option("users", "users", "Users of the account"),
        Option("default_permissions", "block permissions", "Rights of users that have none of their own"),
        Option("exports", "exports", "Streams and services for other accounts"),
        Option("imports", "imports", "Streams and services of other accounts"),
        Option("mappings maps", "mappings", "Subject mappings"),
        Option("limits", "block account_limits", "Limits"),
        Option("jetstream", "account_jetstream", "JetStream for the account"),
        Option("msg_trace trace_dest", "msg_trace", "Where traces of its messages go", effect=False),
    ),
    "account_limits": (
        Option("max_connections max_conn", "int", "Connections; -1: any number", default=-1),
        Option("max_subscriptions max_subs", "int", "Subscriptions; -1: any number", default=-1),
        Option("max_payload max_pay", "int", "Largest message; -1: that of the server", default=-1, unit="bytes"),
        Option("max_leafnodes max_leafs", "int", "Leaf nodes; -1: any number", default=-1),
    ),
    "export": (
        Option("stream", "text", "Subject of a stream"),
        Option("service", "text", "Subject of a service"),
        Option("accounts", "text_list", "Accounts that may import it; all when not set"),
        Option("response response_type", "response_type", "single, stream or chunked", default="single"),
        Option(
            "threshold response_threshold response_max_time response_time",
            "strict_duration",
            "Time in which an answer has to come",
            sets="threshold_s",
            default=0.0,
        ),
        Option("latency", "latency", "Where its latency is reported", effect=False),
        Option("account_token_position", "int", "Token of the subject that is the importing account", default=0),
        Option("allow_trace", "bool", "Traces of messages may go on from here", default=False, effect=False),
    ),
    "import": (
        Option("stream", "block import_source", "Account and subject of a stream"),
        Option("service", "block import_source", "Account and subject of a service"),
        Option("to", "text", "Local subject", default=""),
        Option("prefix", "text", "Local prefix of the subject of a stream", default=""),
        Option("share", "bool", "The exporter learns who asks", default=False),
        Option("allow_trace", "bool", "Traces of messages may go on from here", default=False, effect=False),
    ),
    "import_source": (
        Option("account", "text", "Exporting account"),
        Option("subject", "text", "Exported subject"),
    ),
    "latency": (
        Option("sampling", "sampling", 'Share of requests, such as 50 or "50%", or headers', default=100),
        Option("subject", "text", "Subject of the reports"),
    ),
    "msg_trace": (
        Option("dest", "text", "Subject of the traces"),
        Option("sampling", "percent", 'Share of messages, such as 50 or "50%"', default=100),
    ),
    "mapping": (
        Option("destination dest", "text", "Subject it becomes"),
        Option("weight", "weight", 'Share of messages, such as 50 or "50%"'),
        Option("cluster", "text", "Cluster in which this holds", default=""),
    ),
    "tls": (
        Option("cert_file", "text", "Certificate chain, PEM", default=""),
        Option("key_file", "text", "Private key, PEM", default=""),
        Option("certs certificates", "blocks cert_pair", "Several certificates, in place of these two", default=[]),
        Option("ca_file", "text", "Authorities that certificates of clients are checked against, PEM", default=""),
        Option("verify", "bool", "Demand a certificate", default=False),
        Option("verify_and_map", "bool", "Demand one that names the user", default=False),
        Option("verify_cert_and_check_known_urls", "bool", "Demand one that names a known URL", default=False),
        Option("insecure", "bool", "Accept any certificate of other servers", default=False),
        Option("timeout", "seconds", "Time for the handshake", sets="timeout_s", default=2.0),
        Option(
            "handshake_first first immediate",
            "handshake_first",
            "Handshake before INFO; auto or a duration: unless the client waits for INFO that long",
            sets="first fallback_s",
            default=False,
        ),
        Option("min_version", "tls_version", "1.2 or 1.3", default="1.2"),
        Option("cipher_suites", "cipher_suites", "Allowed cipher suites; sound ones when not set", default=[]),
        Option("allow_insecure_cipher_suites", "bool", "Even such as are known to be weak", default=False),
        Option("curve_preferences", "curves", "Allowed curves", default=[]),
        Option("pinned_certs", "pinned_certs", "SHA-256 of the public keys that are let in", default=[]),
        Option("connection_rate_limit", "int", "Handshakes per second; 0: any number", default=0),
        Option("ocsp_peer", "ocsp_peer", "Ask whether certificates of clients were revoked"),
        Option("cert_store", "text", "Windows certificate store", default=""),
        Option("cert_match_by", "text", "Windows certificate store", default=""),
        Option("cert_match", "text", "Windows certificate store", default=""),
        Option("ca_certs_match", "texts", "Windows certificate store", default=[]),
        Option("cert_match_skip_invalid", "bool", "Windows certificate store", default=False),
    ),
    "cert_pair": (
        Option("cert_file", "text", "Certificate chain, PEM", default=""),
        Option("key_file", "text", "Private key, PEM", default=""),
    ),
    **LATER_BLOCKS,
}
