"""Every option of a server: the keys of a configuration at its top level, with the flags that set the same.

Files, flags, reload rules and docs/options.md come from these rows; the keys of blocks are in block_tables.py.
"""

from __future__ import annotations

from natsd.config.option import Option

OPTIONS = (
    # Where clients connect.
    Option("listen", "listen", "Address and port for clients, in one", sets="host port"),
    Option("host net", "text", "Address to listen on", default="0.0.0.0", flag="a addr net"),
    Option("port", "int", "Port for clients, -1 for any free one", default=4222, flag="p port"),
    Option("server_name", "name", "Name of the server; its ID when not set", default="", flag="n name server_name"),
    Option(
        "client_advertise",
        "text",
        "Address to tell clients instead of ours, host or host:port",
        default="",
        flag="client_advertise",
        reload=True,
    ),
    Option("server_tags", "texts", "Tags by which servers are picked", default=[], reload=True),
    Option("server_metadata", "text_map", "What else to tell about the server", default={}, reload=True),
    Option("proxy_protocol", "bool", "Connections come through a proxy that says whose they are", default=False),
    # Limits.
    Option("max_connections max_conn", "int", "Connections at the same time; 0: nobody", default=65536, reload=True),
    Option("max_control_line", "int32", "Longest protocol line", default=4096, unit="bytes", reload=True),
    Option("max_payload", "int32", "Largest message", default=1 << 20, unit="bytes", reload=True),
    Option("max_pending", "int", "Most that may wait for one connection", default=64 << 20, unit="bytes"),
    Option("max_subscriptions max_subs", "int", "Subscriptions of one connection; 0: any number", default=0),
    Option(
        "max_sub_tokens max_subscription_tokens", "token_count", "Tokens of a subscription; 0: any number", default=0
    ),
    Option("max_closed_clients", "int", "Closed connections that monitoring remembers", default=10000),
    Option(
        "no_fast_producer_stall",
        "bool",
        "Do not slow down clients that publish faster than others read",
        default=False,
        reload=True,
    ),
    Option("no_header_support", "bool", "Refuse messages with headers", default=False),
    Option(
        "disable_sublist_cache no_sublist_cache",
        "bool",
        "Accepted; the match cache stays on",
        sets="no_sublist_cache",
        default=False,
        effect=False,
    ),
    # Times.
    Option(
        "ping_interval",
        "duration",
        "Between PINGs to a client that is silent",
        sets="ping_interval_s",
        default=120.0,
        reload=True,
    ),
    Option("ping_max", "int", "PINGs without an answer before a client is cut off", default=2, reload=True),
    Option(
        "write_deadline",
        "duration",
        "How long a client may take no data before it is cut off",
        sets="write_deadline_s",
        default=10.0,
        reload=True,
    ),
    Option(
        "write_timeout", "write_policy", "Accepted; a client is always cut off then", default="default", effect=False
    ),
    Option(
        "lame_duck_duration",
        "lame_duck_duration",
        "Over which a server that goes lame sends its clients away; 30 s at least",
        sets="lame_duck_duration_s",
        default=120.0,
    ),
    Option(
        "lame_duck_grace_period",
        "grace_period",
        "How long it waits before it begins with that",
        sets="lame_duck_grace_period_s",
        default=10.0,
    ),
    # Log.
    Option(
        "log_file logfile",
        "text",
        "File to append the log to; stderr when not set",
        default="",
        flag="l log",
        reload=True,
    ),
    Option(
        "log_size_limit logfile_size_limit",
        "int",
        "Size at which the log file is rotated; 0: never",
        default=0,
        unit="bytes",
        flag="log_size_limit",
    ),
    Option("log_max_num logfile_max_num", "int", "Rotated log files to keep; 0: all", sets="log_max_files", default=0),
    Option("syslog", "bool", "Log to syslog", default=False, flag="s syslog", reload=True),
    Option(
        "remote_syslog",
        "text",
        "Log to a syslog server, udp://host:port or tcp://host:port",
        default="",
        flag="r remote_syslog",
        reload=True,
    ),
    Option("logtime", "bool", "Date and time on every line", default=True, flag="T logtime", reload=True),
    Option("logtime_utc", "bool", "Date and time in UTC", default=False, flag="logtime_utc", reload=True),
    Option("debug", "bool", "Log what connections do", default=False, flag="D debug", reload=True),
    Option("trace", "bool", "Log every protocol line", default=False, flag="V trace", reload=True),
    Option("trace_verbose", "bool", "Log those of the system account too", sets="trace_verbose trace", reload=True),
    Option("trace_headers", "bool", "Log headers of messages, not only sizes", sets="trace_headers trace", reload=True),
    Option(
        "max_traced_msg_len",
        "int",
        "Cut traced payloads to this length; 0: do not",
        default=0,
        unit="bytes",
        flag="max_traced_msg_len",
        reload=True,
    ),
    Option("connect_error_reports", "int", "Accepted", default=3600, reload=True, effect=False),
    Option("reconnect_error_reports", "int", "Accepted", default=1, reload=True, effect=False),
    # Files.
    Option("pid_file pidfile", "text", "File to write the process ID to", default="", flag="P pid", reload=True),
    Option(
        "ports_file_dir",
        "text",
        "Folder for a file with all URLs of the server",
        default="",
        flag="ports_file_dir",
        reload=True,
    ),
    # Who may do what.
    Option("authorization", "block authorization", "Who may connect", reload=True),
    Option("accounts", "accounts", "Accounts with their users, exports and imports", default=[], reload=True),
    Option("no_auth_user", "text", "User that connections without credentials become", default=""),
    Option("system_account system", "text", "Account for system events and requests", default=""),
    Option("no_system_account no_system no_sys_acc", "bool", "Have no system account", default=False),
    Option("mappings maps", "mappings", "Subject mappings of the global account", default={}, reload=True),
    Option("tls", "block tls", "TLS for clients", reload=True),
    Option("allow_non_tls", "bool", "Let clients in without TLS too", default=False),
    Option("ocsp", "ocsp", "Staple OCSP answers to certificates", reload=True),
    Option("ocsp_cache", "ocsp_cache", "Cache of OCSP answers", reload=True),
    Option("default_sentinel", "text", "User JWT of those who have none", default="", reload=True),
    Option("proxies", "block proxies", "Proxies that are trusted", reload=True),
    # Operator mode.
    Option("operator operators root roots root_operator root_operators", "texts", "Operator JWTs, or files with them"),
    Option("resolver account_resolver accounts_resolver", "resolver", "Where account JWTs are found"),
    Option("resolver_tls", "block tls", "TLS towards the resolver", reload=True),
    Option("resolver_preload", "text_map", "Account JWTs by account"),
    Option("resolver_pinned_accounts", "texts", "Accounts that may log in"),
    Option("trusted_keys trusted", "operator_keys", "Public keys of operators"),
    # Monitoring.
    Option("http", "listen", "Address and port of monitoring, in one", sets="http_host http_port"),
    Option(
        "http_port monitor_port",
        "int",
        "Port of monitoring, -1 for any free one; 0: none",
        default=0,
        flag="m http_port",
    ),
    Option("https", "listen", "The same with TLS", sets="http_host https_port"),
    Option("https_port", "int", "Port of monitoring with TLS; 0: none", default=0, flag="ms https_port"),
    Option("http_base_path", "text", "Path that all monitoring pages stand under", default=""),
    Option("prof_port", "int", "Accepted; there is no profiling port", default=0, effect=False),
    Option("prof_block_rate", "int", "Accepted", default=0, reload=True, effect=False),
    # Other servers, other protocols, storage.
    Option("cluster", "block cluster", "Routes to other servers"),
    Option("gateway", "block gateway", "Gateways to other clusters"),
    Option("leafnodes leaf", "block leafnodes", "Leaf nodes"),
    Option("websocket ws", "block websocket", "WebSocket listener"),
    Option("mqtt", "block mqtt", "MQTT listener"),
    Option(
        "jetstream",
        "jetstream",
        "JetStream: true, or a block with its limits",
        default=False,
        flag="js jetstream",
        reload=True,
    ),
    Option("store_dir storedir", "text", "Folder for JetStream", default="", flag="sd store_dir"),
    Option("default_js_domain", "text_map", "Accepted; JetStream domains by account", default={}, effect=False),
    Option("feature_flags", "bool_map", "Accepted; flags of JetStream", default={}, effect=False),
)
