package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kumaEntry reads one monitor of a backup and remembers which keys it took, so
// that the rest can be named.
type kumaEntry struct {
	m     map[string]json.RawMessage
	taken map[string]bool
}

func (k *kumaEntry) raw(key string) json.RawMessage {
	k.taken[key] = true
	return k.m[key]
}

// text reads a text, or a number as it is written; null is empty.
func (k *kumaEntry) text(key string) string {
	raw := k.raw(key)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// exact is text with the blanks at its ends.
func (k *kumaEntry) exact(key string) string {
	var s string
	if json.Unmarshal(k.raw(key), &s) != nil {
		return ""
	}
	return s
}

func (k *kumaEntry) number(key string) float64 {
	n, err := strconv.ParseFloat(k.text(key), 64)
	if err != nil || n != n || n < -1e9 || n > 1e9 {
		return 0
	}
	return n
}

// flag reads true, 1 and "1".
func (k *kumaEntry) flag(key string) bool {
	var b bool
	if json.Unmarshal(k.raw(key), &b) == nil {
		return b
	}
	return k.number(key) != 0
}

func (k *kumaEntry) seconds(key string) Duration {
	return Duration(k.number(key) * float64(time.Second))
}

// kumaQuiet are keys whose loss nobody misses: inner numbers, and settings of
// kinds that the entry is not of, which a backup carries along.
var kumaQuiet = []string{
	"id", "weight", "childrenIDs", "pathName", "path", "maintenance", "dns_last_result", "screenshot", "screenshot_delay", "includeSensitiveData",
	"forceInactive", "userId", "user_id", "created_date", "status", "uptime", "importantHeartbeatList", "packetSize", "cacheBust", "accepted_statuscodes_json",
	"docker_container", "docker_host", "mqttTopic", "mqttSuccessMessage", "mqttUsername", "mqttPassword", "mqttCheckType", "mqttWebsocketPath",
	"databaseConnectionString", "databaseQuery", "grpcUrl", "grpcProtobuf", "grpcMethod", "grpcServiceName", "grpcEnableTls", "grpcBody", "grpcMetadata",
	"radiusCalledStationId", "radiusCallingStationId", "radiusUsername", "radiusPassword", "radiusSecret", "game", "gamedigGivenPortOnly",
	"kafkaProducerTopic", "kafkaProducerBrokers", "kafkaProducerSsl", "kafkaProducerAllowAutoTopicCreation", "kafkaProducerMessage", "kafkaProducerSaslOptions",
	"remote_browser", "rabbitmqNodes", "rabbitmqUsername", "rabbitmqPassword", "conditions", "system_service_name", "ipFamily", "ping_numeric",
	"ping_count", "ping_per_request_timeout", "oauth_client_id", "oauth_client_secret", "oauth_token_url", "oauth_scopes", "oauth_audience", "oauth_auth_method",
	"dns_resolve_type", "dns_resolve_server", "snmpOid", "snmpVersion", "snmpV3Username", "jsonPath", "jsonPathOperator", "expectedValue", "keyword", "invertKeyword",
	"pushToken", "httpBodyEncoding", "smtpSecurity", "authWorkstation", "authDomain", "tlsCa", "tlsCert", "tlsKey", "port", "hostname", "url", "method", "body",
	"headers", "authMethod", "basic_auth_user", "basic_auth_pass", "maxredirects", "accepted_statuscodes", "ignoreTls", "proxyId", "expiryNotification",
	"domainExpiryNotification", "gamedigToken", "wsSubprotocol", "wsIgnoreSecWebsocketAcceptHeader", "manual_status", "save_response", "saveResponse", "response_max_length",
	"saveErrorResponse", "responseMaxLength", "retryOnlyOnStatusCodeFailure", "subtype", "location", "protocol", "expected_tls_alert", "expectedTlsAlert",
}

// parseKuma reads the JSON that Uptime Kuma exports.
func parseKuma(raw []byte) (Harvest, error) {
	var h Harvest
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	top := map[string]json.RawMessage{}
	list := json.RawMessage(raw)
	if err := json.Unmarshal(raw, &top); err == nil {
		var ok bool
		if list, ok = top["monitorList"]; !ok {
			return h, errors.New("no monitorList")
		}
	}
	entries, err := kumaList(list)
	if err != nil {
		return h, err
	}
	proxies := map[string]*kumaEntry{}
	if ps, err := kumaList(top["proxyList"]); err == nil {
		for _, p := range ps {
			proxies[p.text("id")] = p
		}
	}
	names := map[string]string{} // of groups
	for _, k := range entries {
		if k.text("type") == "group" {
			names[k.text("id")] = k.text("name")
		}
	}
	notified, tagged := 0, 0
	for _, k := range entries {
		i := kumaImport(k, proxies, names)
		if notes := map[string]json.RawMessage{}; json.Unmarshal(k.raw("notificationIDList"), &notes) == nil && len(notes) > 0 {
			notified++
		}
		if tags := []json.RawMessage{}; json.Unmarshal(k.raw("tags"), &tags) == nil && len(tags) > 0 {
			tagged++
		}
		h.Entries = append(h.Entries, i)
	}
	if n := kumaLen(top["notificationList"]); n > 0 || notified > 0 {
		h.leave("left_notifications", n)
	}
	if tagged > 0 {
		h.leave("left_tags", tagged)
	}
	if rest := sortedKeys(top, "version", "monitorList", "notificationList", "proxyList"); len(rest) > 0 {
		h.leave("left_keys", strings.Join(rest, ", "))
	}
	return h, nil
}

func kumaLen(raw json.RawMessage) int {
	list, _ := kumaList(raw)
	return len(list)
}

// kumaList reads a list, or an object by id as later exports write it.
func kumaList(raw json.RawMessage) ([]*kumaEntry, error) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		byID := map[string]map[string]json.RawMessage{}
		if err := json.Unmarshal(raw, &byID); err != nil {
			return nil, err
		}
		for _, id := range slices.Sorted(maps.Keys(byID)) {
			list = append(list, byID[id])
		}
	}
	var out []*kumaEntry
	for _, m := range list {
		if m != nil {
			out = append(out, &kumaEntry{m: m, taken: map[string]bool{}})
		}
	}
	return out, nil
}

// kumaImport says what one monitor becomes.
func kumaImport(k *kumaEntry, proxies map[string]*kumaEntry, groups map[string]string) Import {
	i := Import{Name: shortly(k.text("name")), Kind: shortly(k.text("type"))}
	m := &i.Monitor
	m.Name = i.Name
	if active := k.raw("active"); len(active) > 0 && !k.flag("active") {
		m.Paused = true
		i.remark("paused")
	}
	s := &m.Spec
	s.Interval = bound(k.seconds("interval"), Duration(MinInterval), Duration(MaxInterval))
	if k.number("interval") <= 0 {
		s.Interval = Duration(DefaultInterval)
	}
	retries, retryEvery := int(k.number("maxretries")), k.seconds("retryInterval")
	s.Confirm = min(max(retries, 0)+1, MaxConfirm)
	if retries+1 > MaxConfirm {
		i.remark("confirm", retries+1, MaxConfirm)
	}
	if t := k.seconds("timeout"); t > 0 {
		s.Timeout = bound(t, Duration(MinTimeout), Duration(MaxTimeout))
	}
	if s.Timeout >= s.Interval {
		s.Timeout = s.Interval - s.Interval/10
	}
	if k.number("resendInterval") > 0 {
		i.remark("resend")
	}
	if d := k.text("description"); d != "" {
		i.remark("description", shortly(d))
	}
	if parent := k.text("parent"); parent != "" {
		if name := groups[parent]; name != "" {
			i.remark("group_of", shortly(name))
		}
	}
	if k.flag("upsideDown") {
		i.refuse("upside_down")
		return i
	}
	kumaKind(&i, k, proxies)
	if i.Outcome == ImportNot {
		return i
	}
	if s.Kind == Heartbeat {
		s.Timeout, s.Confirm = 0, 0
		s.Grace = bound(Duration(time.Duration(max(retries, 0)))*retryEvery, Duration(time.Minute), Duration(30*24*time.Hour))
	}
	var rest []string
	for _, key := range sortedKeys(k.m, kumaQuiet...) {
		v := string(bytes.TrimSpace(k.m[key]))
		if !k.taken[key] && v != "null" && v != "false" && v != `""` && v != "0" && v != "[]" && v != "{}" && v != `"0"` && key != "notificationIDList" && key != "tags" {
			rest = append(rest, key)
		}
	}
	if len(rest) > 0 {
		i.remark("keys", strings.Join(rest, ", "))
	}
	return i
}

// kumaKind fills in what belongs to the kind.
func kumaKind(i *Import, k *kumaEntry, proxies map[string]*kumaEntry) {
	s := &i.Monitor.Spec
	host := func(kind Kind) {
		s.Kind, s.Host, s.Port = kind, k.text("hostname"), int(k.number("port"))
	}
	switch kind := k.text("type"); kind {
	case "http", "keyword", "json-query":
		s.Kind = HTTP
		kumaHTTP(i, k, proxies)
		if kind == "keyword" && i.Outcome != ImportNot {
			if s.Expect.Body = k.exact("keyword"); k.flag("invertKeyword") {
				i.refuse("inverted")
			}
		}
		if kind == "json-query" && i.Outcome != ImportNot {
			kumaJSON(i, k)
		}
	case "port":
		host(TCP)
	case "ping", "tailscale-ping":
		host(ICMP)
		s.Port = 0
	case "dns":
		s.Kind, s.Host = DNS, k.text("hostname")
		s.DNS.Type = k.text("dns_resolve_type")
		servers := strings.Split(k.text("dns_resolve_server"), ",")
		if s.DNS.Server = strings.TrimSpace(servers[0]); len(servers) > 1 {
			i.remark("first_server", s.DNS.Server)
		}
		if p := int(k.number("port")); p > 0 && p != 53 && s.DNS.Server != "" {
			s.DNS.Server = net.JoinHostPort(s.DNS.Server, strconv.Itoa(p))
		}
		if c := string(k.raw("conditions")); c != "" && c != "null" && c != "[]" && c != `"[]"` {
			i.remark("condition", "conditions")
		}
	case "push":
		s.Kind = Heartbeat
		i.remark("new_ping")
	case "smtp":
		host(SMTP)
		s.TLS.Mode = map[string]string{"secure": "tls", "starttls": "starttls", "nostarttls": "none"}[k.text("smtpSecurity")]
	case "snmp":
		host(SNMP)
		kumaSNMP(i, k)
	case "grpc-keyword":
		s.Kind, s.Host, s.Service = GRPC, k.text("grpcUrl"), k.text("grpcServiceName")
		s.TLS.Mode = "none"
		if k.flag("grpcEnableTls") {
			s.TLS.Mode = "tls"
		}
		if method := k.text("grpcMethod"); !strings.EqualFold(method, "check") {
			i.refuse("grpc_method", shortly(method))
			return
		}
		// Health is the protocol's own word; the service that is asked for
		// stands in the message, which we do not read.
		s.Service = ""
		i.remark("grpc_health")
	case "postgres", "mysql", "sqlserver", "redis", "mongodb":
		kumaDatabase(i, kind, k.text("databaseConnectionString"))
	case "group":
		i.refuse("group")
	default:
		i.refuse("kind", i.Kind)
	}
}

func kumaHTTP(i *Import, k *kumaEntry, proxies map[string]*kumaEntry) {
	s := &i.Monitor.Spec
	s.URL = k.text("url")
	if u, err := url.Parse(s.URL); err == nil && u.User != nil { // belongs into fields of its own
		s.Username = u.User.Username()
		s.Password, _ = u.User.Password()
		u.User = nil
		s.URL = u.String()
	}
	s.Method = k.text("method")
	s.Body = k.exact("body")
	if h := k.text("headers"); h != "" {
		var values map[string]json.RawMessage
		if json.Unmarshal([]byte(h), &values) != nil {
			i.refuse("headers")
			return
		}
		s.Headers = map[string]string{}
		for name := range values {
			s.Headers[name] = (&kumaEntry{values, map[string]bool{}}).text(name)
		}
	}
	if s.Body != "" {
		kind := map[string]string{"form": "application/x-www-form-urlencoded", "xml": "text/xml; charset=utf-8"}[k.text("httpBodyEncoding")]
		if kind == "" {
			kind = "application/json"
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(s.Headers)), func(n string) bool { return strings.EqualFold(n, "Content-Type") }) {
			if s.Headers == nil {
				s.Headers = map[string]string{}
			}
			s.Headers["Content-Type"] = kind
		}
	}
	if n := int(k.number("maxredirects")); k.m["maxredirects"] != nil {
		if n > MaxRedirects {
			i.remark("redirects", n, MaxRedirects)
		}
		n = min(max(n, 0), MaxRedirects)
		s.Redirects = &n
	}
	var codes []json.RawMessage
	if json.Unmarshal(k.raw("accepted_statuscodes"), &codes) == nil {
		for _, c := range codes {
			var r StatusRange
			_ = r.UnmarshalJSON(c) // what is none becomes a problem of the spec
			s.Expect.Status = append(s.Expect.Status, r)
		}
	}
	s.TLS.Insecure = k.flag("ignoreTls")
	switch auth := k.text("authMethod"); auth {
	case "", "basic":
		if name := k.text("basic_auth_user"); name != "" {
			s.Username, s.Password = name, k.exact("basic_auth_pass")
		}
	case "mtls":
		s.TLS.CA, s.TLS.Cert, s.TLS.Key = k.exact("tlsCa"), k.exact("tlsCert"), k.exact("tlsKey")
	default:
		i.refuse("auth", shortly(auth))
		return
	}
	if id := k.text("proxyId"); id != "" && id != "0" {
		p := proxies[id]
		if p == nil {
			i.refuse("proxy_missing")
			return
		}
		if len(p.m["active"]) > 0 && !p.flag("active") {
			i.remark("proxy_off")
			return
		}
		scheme := p.text("protocol")
		if strings.HasPrefix(scheme, "socks5") {
			scheme = "socks5"
		}
		s.Proxy = scheme + "://" + net.JoinHostPort(strings.Trim(p.text("host"), "[]"), p.text("port"))
		if p.flag("auth") {
			s.ProxyUsername, s.ProxyPassword = p.text("username"), p.exact("password")
		}
	}
}

// jsonPath is the plain part of JSONata and JSONPath that gjson writes alike.
var jsonPath = regexp.MustCompile(`^(?:\$\.?)?([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*)$`)

// plainPath translates a path; false: it says more than a plain one can.
func plainPath(path string) (string, bool) {
	m := jsonPath.FindStringSubmatch(path)
	if m == nil {
		return "", false
	}
	return strings.NewReplacer("[", ".", "]", "").Replace(m[1]), true
}

func kumaJSON(i *Import, k *kumaEntry) {
	path, ok := plainPath(k.text("jsonPath"))
	if !ok {
		i.refuse("json_path", shortly(k.text("jsonPath")))
		return
	}
	if op := k.text("jsonPathOperator"); op != "" && op != "==" && op != "null" {
		i.refuse("operator", shortly(op))
		return
	}
	i.Monitor.Spec.Expect.JSON = map[string]string{path: k.text("expectedValue")}
}

func kumaSNMP(i *Import, k *kumaEntry) {
	s := &i.Monitor.Spec
	s.SNMP.OID = strings.TrimPrefix(k.text("snmpOid"), ".")
	s.SNMP.Community = k.text("radiusPassword") // that is where Kuma keeps it
	switch v := k.text("snmpVersion"); v {
	case "3":
		i.refuse("snmp3")
		return
	case "1":
		i.remark("snmp1")
	}
	want := k.text("expectedValue")
	switch op := k.text("jsonPathOperator"); {
	case want == "" || op == "" && want == "":
	case op == "" || op == "==":
		s.Expect.Regex = "^" + regexp.QuoteMeta(want) + "$"
	case op == "contains":
		s.Expect.Body = want
	default:
		i.remark("condition", shortly("value "+op+" "+want))
	}
}

// kumaDatabase takes host and port out of a connection string, and nothing
// else: our checks of databases need no credentials.
func kumaDatabase(i *Import, kind, dsn string) {
	s := &i.Monitor.Spec
	s.Kind = map[string]Kind{"postgres": Postgres, "mysql": MySQL, "sqlserver": MSSQL, "redis": TCP, "mongodb": TCP}[kind]
	if kind == "sqlserver" {
		for part := range strings.SplitSeq(dsn, ";") {
			name, value, _ := strings.Cut(part, "=")
			if n := strings.ToLower(strings.TrimSpace(name)); n == "server" || n == "data source" {
				host, port, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(value), "tcp:"), ",")
				s.Host = strings.TrimSpace(host)
				s.Port, _ = strconv.Atoi(strings.TrimSpace(port)) // none: the usual one
			}
		}
	} else if u, err := url.Parse(dsn); err == nil {
		s.Host = u.Hostname()
		s.Port, _ = strconv.Atoi(u.Port()) // none: the usual one
	}
	switch kind {
	case "redis":
		if s.Port == 0 {
			s.Port = 6379
		}
		s.Send, s.Expect.Regex = "PING\r\n", "PONG|NOAUTH"
	case "mongodb":
		if s.Port == 0 {
			s.Port = 27017
		}
		i.remark("only_connect")
	default:
		i.remark("no_query")
	}
}
