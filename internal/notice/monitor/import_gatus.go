package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a foreign YAML file. Its parser recurses with the depth, its time
// grows with the square of keys in one mapping, and aliases multiply.
const (
	maxYAMLDepth = 32
	maxYAMLKeys  = 2000
	maxYAMLNodes = 200_000
)

var errYAML = errors.New("monitor: not a YAML file that can be read")

// tree is a YAML document with its aliases in place: a text, a list, or a
// mapping. Scalars stay as they are written.
type tree struct {
	text string
	list []tree
	keys []string
	m    map[string]tree
	null bool
}

func (t tree) get(key string) tree { return t.m[key] }

func (t tree) has(key string) bool { v, ok := t.m[key]; return ok && !v.null }

func (t tree) empty() bool { return t.null || t.text == "" && len(t.list) == 0 && len(t.m) == 0 }

// parseTree reads YAML within bounds.
func parseTree(raw []byte) (out tree, err error) {
	defer func() {
		if v := recover(); v != nil { // a foreign parser over foreign input
			err = fmt.Errorf("%w: %v", errYAML, v)
		}
	}()
	raw = bytes.ToValidUTF8(bytes.TrimPrefix(raw, []byte("\ufeff")), []byte("?"))
	tokens := lexer.Tokenize(string(raw))
	if err := boundTokens(tokens); err != nil {
		return tree{}, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil || len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return tree{}, errYAML
	}
	g := grower{anchors: map[string]ast.Node{}, left: maxYAMLNodes}
	return g.grow(file.Docs[0].Body, 0)
}

// boundTokens refuses what the parser should not see.
func boundTokens(tokens token.Tokens) error {
	flow, dashes := 0, 0
	keys := map[int]int{}
	for _, t := range tokens {
		if t.Type != token.SequenceEntryType {
			dashes = 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType:
			dashes++
			for column := range keys {
				if column > t.Position.Column {
					delete(keys, column)
				}
			}
		case token.MappingValueType:
			at := t.Position.Column
			if t.Prev != nil {
				at = t.Prev.Position.Column
			}
			for column := range keys {
				if column > at {
					delete(keys, column)
				}
			}
			if keys[at]++; keys[at] > maxYAMLKeys || len(keys) > maxYAMLDepth {
				return errYAML
			}
		case token.InvalidType:
			return errYAML
		}
		if flow > maxYAMLDepth || dashes > maxYAMLDepth {
			return errYAML
		}
	}
	return nil
}

// grower makes trees, and stops when aliases make too much of them.
type grower struct {
	anchors map[string]ast.Node
	left    int
}

func (g *grower) grow(n ast.Node, depth int) (tree, error) {
	if g.left--; g.left < 0 || depth > 2*maxYAMLDepth {
		return tree{}, errYAML
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return tree{null: true}, nil
	case *ast.AnchorNode:
		if n.Name != nil {
			g.anchors[n.Name.GetToken().Value] = n.Value
		}
		return g.grow(n.Value, depth+1)
	case *ast.AliasNode:
		to, ok := g.anchors[n.Value.GetToken().Value]
		if !ok {
			return tree{}, errYAML
		}
		return g.grow(to, depth+1)
	case *ast.TagNode:
		return g.grow(n.Value, depth+1)
	case *ast.LiteralNode:
		return tree{text: n.Value.Value}, nil
	case *ast.StringNode:
		return tree{text: n.Value}, nil
	case *ast.SequenceNode:
		var out tree
		for _, v := range n.Values {
			item, err := g.grow(v, depth+1)
			if err != nil {
				return tree{}, err
			}
			out.list = append(out.list, item)
		}
		return out, nil
	case ast.MapNode:
		return g.growMap(n, depth)
	}
	if t := n.GetToken(); t != nil {
		return tree{text: t.Value}, nil
	}
	return tree{}, errYAML
}

func (g *grower) growMap(n ast.MapNode, depth int) (tree, error) {
	out := tree{m: map[string]tree{}}
	merged := map[string]tree{}
	for it := n.MapRange(); it.Next(); {
		v, err := g.grow(it.Value(), depth+1)
		if err != nil {
			return tree{}, err
		}
		if _, merge := it.Key().(*ast.MergeKeyNode); merge || it.Key().GetToken().Value == "<<" {
			for _, from := range append(v.list, v) {
				for k, x := range from.m {
					if _, there := merged[k]; !there {
						merged[k] = x
					}
				}
			}
			continue
		}
		k := it.Key().GetToken().Value
		if _, twice := out.m[k]; !twice {
			out.keys = append(out.keys, k)
		}
		out.m[k] = v
	}
	for k, v := range merged {
		if _, own := out.m[k]; !own {
			out.m[k] = v
		}
	}
	return out, nil
}

// parseGatus reads a configuration of Gatus.
func parseGatus(raw []byte) (Harvest, error) {
	var h Harvest
	root, err := parseTree(raw)
	if err != nil {
		return h, err
	}
	list, ok := root.m["endpoints"]
	if !ok {
		list, ok = root.m["services"] // until version 4
	}
	external := root.get("external-endpoints")
	if !ok && len(external.list) == 0 {
		return h, errYAML
	}
	for _, e := range list.list {
		h.Entries = append(h.Entries, gatusEndpoint(e)...)
		if len(h.Entries) > maxImportEntries {
			return h, nil
		}
	}
	for _, e := range external.list {
		i := gatusNamed(e, "external")
		i.Monitor.Spec = Spec{Kind: Heartbeat, Interval: Duration(day), Grace: Duration(time.Hour)}
		if v := e.get("heartbeat").get("interval").text; v != "" {
			i.Monitor.Spec.Interval, i.Monitor.Spec.Grace = gatusSpan(v), Duration(time.Minute)
		} else {
			i.remark("no_interval")
		}
		i.remark("new_ping")
		h.Entries = append(h.Entries, i)
	}
	for _, s := range root.get("suites").list {
		i := gatusNamed(s, "suite")
		i.refuse("suite")
		h.Entries = append(h.Entries, i)
	}
	for key, remark := range map[string]string{"alerting": "left_alerting", "maintenance": "left_maintenance"} {
		if !root.get(key).empty() {
			h.leave(remark)
		}
	}
	known := []string{"endpoints", "services", "external-endpoints", "suites", "alerting", "maintenance", "web", "ui", "metrics", "storage", "debug", "concurrency", "disable-monitoring-lock", "skip-invalid-config-update"}
	var rest []string
	for _, k := range sortedKeys(root.m, known...) {
		if !strings.HasPrefix(k, "x-") && !strings.HasPrefix(k, "default-") { // a place for anchors
			rest = append(rest, k)
		}
	}
	if len(rest) > 0 {
		h.leave("left_keys", strings.Join(rest, ", "))
	}
	return h, nil
}

func gatusNamed(e tree, kind string) Import {
	name := e.get("name").text
	if g := e.get("group").text; g != "" {
		name = g + " / " + name
	}
	i := Import{Name: shortly(name), Kind: kind}
	i.Monitor.Name = i.Name
	if strings.EqualFold(e.get("enabled").text, "false") {
		i.Monitor.Paused = true
		i.remark("paused")
	}
	return i
}

// gatusSpan reads Go's notation; what is none becomes a problem of the spec.
func gatusSpan(v string) (d Duration) {
	_ = d.UnmarshalText([]byte(v))
	return d
}

// gatusEndpoint says what one endpoint becomes: a monitor, and a second one
// where a condition is about the domain.
func gatusEndpoint(e tree) []Import {
	raw := e.get("url").text
	scheme, _, _ := strings.Cut(raw, "://")
	i := gatusNamed(e, shortly(scheme))
	s := &i.Monitor.Spec
	s.Interval = Duration(time.Minute)
	if v := e.get("interval").text; v != "" {
		s.Interval = gatusSpan(v)
	}
	s.Timeout = Duration(10 * time.Second)
	client := e.get("client")
	if v := client.get("timeout").text; v != "" {
		s.Timeout = gatusSpan(v)
	}
	if s.Interval > 0 && s.Timeout >= s.Interval {
		s.Timeout = s.Interval - s.Interval/10
	}
	s.Confirm = gatusConfirm(&i, e.get("alerts"))
	for _, text := range []string{raw, e.get("body").text, client.get("proxy-url").text} {
		if name := envName(text); name != "" {
			i.refuse("variable", shortly(name))
			return []Import{i}
		}
	}
	if e.has("dns") {
		i.Kind = "dns"
		s.Kind, s.DNS.Server = DNS, strings.TrimPrefix(raw, "dns://")
		s.Host, s.DNS.Type = e.get("dns").get("query-name").text, e.get("dns").get("query-type").text
	} else if !gatusTarget(&i, e, raw, scheme) {
		return []Import{i}
	}
	gatusClient(&i, client)
	if i.Outcome == ImportNot {
		return []Import{i}
	}
	out := []Import{i}
	if d := gatusConditions(&out[0], e.get("conditions")); d != nil {
		out = append(out, *d)
	}
	if !e.get("maintenance-windows").empty() {
		out[0].remark("maintenance")
	}
	if rest := sortedKeys(e.m, "name", "group", "url", "method", "conditions", "interval", "graphql", "body", "headers", "dns", "ssh", "alerts", "enabled",
		"maintenance-windows", "client", "ui", "extra-labels"); len(rest) > 0 {
		out[0].remark("keys", strings.Join(rest, ", "))
	}
	return out
}

// gatusConfirm is how many failures it takes: those of the quickest alert.
func gatusConfirm(i *Import, alerts tree) int {
	n := 0
	for _, a := range alerts.list {
		t := 3
		if v, err := strconv.Atoi(a.get("failure-threshold").text); err == nil && v > 0 {
			t = v
		}
		if n == 0 || t < n {
			n = t
		}
	}
	if len(alerts.list) > 0 {
		i.remark("alerts", len(alerts.list))
	}
	switch {
	case n == 0:
		return DefaultConfirm
	case n > MaxConfirm:
		i.remark("confirm", n, MaxConfirm)
		return MaxConfirm
	}
	return n
}

// gatusTarget reads the address of everything but DNS.
func gatusTarget(i *Import, e tree, raw, scheme string) bool {
	s := &i.Monitor.Spec
	u, err := url.Parse(raw)
	if err != nil {
		i.refuse("address")
		return false
	}
	host := func(kind Kind, port int) {
		s.Kind, s.Host = kind, u.Hostname()
		if p, err := strconv.Atoi(u.Port()); err == nil {
			port = p
		}
		s.Port = port
	}
	switch scheme {
	case "http", "https":
		s.Kind, s.URL, s.Method, s.Body = HTTP, raw, e.get("method").text, e.get("body").text
		if u.User != nil { // belongs into fields of its own
			s.Username = u.User.Username()
			s.Password, _ = u.User.Password()
			u.User = nil
			s.URL = u.String()
		}
		for _, k := range e.get("headers").keys {
			v := e.get("headers").get(k).text
			if name := envName(v); name != "" {
				i.refuse("variable", shortly(name))
				return false
			}
			if s.Headers == nil {
				s.Headers = map[string]string{}
			}
			s.Headers[k] = v
		}
		if strings.EqualFold(e.get("graphql").text, "true") {
			s.Body = fmt.Sprintf(`{"query":%s}`, strconv.Quote(s.Body))
			if s.Method == "" {
				s.Method = "GET"
			}
			if s.Headers == nil {
				s.Headers = map[string]string{}
			}
			if _, ok := s.Headers["Content-Type"]; !ok {
				s.Headers["Content-Type"] = "application/json"
			}
		}
		for _, p := range []string{"[ENDPOINT_NAME]", "[ENDPOINT_GROUP]", "[ENDPOINT_URL]", "[LOCAL_ADDRESS]", "[RANDOM_STRING_", "[CONTEXT]"} {
			if strings.Contains(s.Body, p) {
				i.remark("placeholder", p)
			}
		}
	case "tcp":
		host(TCP, 0)
		s.Send = e.get("body").text
	case "icmp":
		host(ICMP, 0)
		if s.Port = 0; s.Host == "" || strings.Count(strings.TrimPrefix(raw, "icmp://"), ":") > 1 {
			s.Host = strings.Trim(strings.TrimPrefix(raw, "icmp://"), "[]")
		}
	case "starttls":
		host(TLS, 587)
		s.TLS.Mode = "smtp"
	case "tls":
		host(TLS, 443)
	case "ssh":
		host(TCP, 22)
		s.Expect.Body = "SSH-2.0"
		if !e.get("ssh").empty() {
			i.remark("ssh_login")
		}
	default:
		i.refuse("kind", shortly(scheme))
		return false
	}
	return true
}

func gatusClient(i *Import, c tree) {
	s := &i.Monitor.Spec
	if strings.EqualFold(c.get("insecure").text, "true") && (s.Kind == HTTP || s.Kind == TLS) {
		s.TLS.Insecure = true
	}
	if strings.EqualFold(c.get("ignore-redirect").text, "true") && s.Kind == HTTP {
		none := 0
		s.Redirects = &none
	}
	if p := c.get("proxy-url").text; p != "" && s.Kind == HTTP {
		if u, err := url.Parse(p); err == nil && u.User != nil {
			s.ProxyUsername = u.User.Username()
			s.ProxyPassword, _ = u.User.Password()
			u.User = nil
			p = u.String()
		}
		s.Proxy = strings.TrimSuffix(p, "/")
	}
	for _, key := range []string{"oauth2", "identity-aware-proxy", "tunnel"} {
		if c.has(key) {
			i.refuse("client", key)
			return
		}
	}
	for _, key := range sortedKeys(c.m, "insecure", "ignore-redirect", "proxy-url", "timeout", "oauth2", "identity-aware-proxy", "tunnel") {
		if !c.get(key).empty() {
			i.remark("client_part", key)
		}
	}
}

var gatusCondition = regexp.MustCompile(`(?s)^\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.*?)\s*$`)

// gatusConditions translates what can be said here and names the rest.
func gatusConditions(i *Import, conditions tree) (domain *Import) {
	s := &i.Monitor.Spec
	accept := func(int) bool { return true }
	asked := false
	for _, c := range conditions.list {
		m := gatusCondition.FindStringSubmatch(c.text)
		if m == nil || !gatusOne(s, m[1], m[2], m[3], &accept, &asked) {
			if m != nil && m[1] == "[DOMAIN_EXPIRATION]" && (m[2] == ">" || m[2] == ">=") && gatusSpan(m[3]) > 0 {
				domain = gatusDomain(i, m[3])
				continue
			}
			i.remark("condition", shortly(c.text))
		}
	}
	if s.Kind == HTTP {
		// Without a condition on it Gatus takes every status.
		if s.Expect.Status = ranges(accept); len(s.Expect.Status) == 0 {
			i.refuse("no_status")
		} else if !asked {
			i.remark("any_status")
		}
	}
	return domain
}

// gatusDomain is the monitor that watches the registration.
func gatusDomain(i *Import, span string) *Import {
	host := i.Monitor.Spec.Host
	if u, err := url.Parse(i.Monitor.Spec.URL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(labels) > 2 {
		labels = labels[len(labels)-2:]
	}
	d := Import{Name: i.Name, Kind: "domain", Monitor: Monitor{Name: shortly(i.Name + " (Domain)"), Paused: i.Monitor.Paused}}
	d.Monitor.Spec = Spec{Kind: Domain, Host: strings.Join(labels, "."), Interval: Duration(6 * time.Hour), Timeout: Duration(30 * time.Second), Expect: Expect{Domain: gatusSpan(span)}}
	d.remark("split_domain")
	return &d
}

// gatusOne takes one condition over; false: it has no place here.
func gatusOne(s *Spec, left, op, right string, accept *func(int) bool, asked *bool) bool {
	right = strings.Trim(right, `"'`)
	_, isAny := gatusCall(right, "any")
	pattern, isPattern := gatusCall(right, "pat")
	switch left {
	case "[CONNECTED]":
		return op == "==" && right == "true"
	case "[STATUS]":
		return s.Kind == HTTP && gatusStatus(op, right, accept, asked)
	case "[RESPONSE_TIME]":
		n, err := strconv.ParseUint(right, 10, 24)
		s.Expect.Within = Duration(time.Duration(n) * time.Millisecond)
		return err == nil && n > 0 && (op == "<" || op == "<=")
	case "[CERTIFICATE_EXPIRATION]":
		s.Expect.Certificate = gatusSpan(right)
		return (s.Kind == HTTP || s.Kind == TLS) && s.Expect.Certificate > 0 && (op == ">" || op == ">=")
	case "[DNS_RCODE]":
		s.Expect.RCode = right
		return s.Kind == DNS && op == "=="
	case "[BODY]":
		switch {
		case op != "==" || isAny:
			return false
		case s.Kind == DNS:
			s.Expect.Records = append(s.Expect.Records, right)
			return !isPattern
		case s.Kind != HTTP && s.Kind != TCP || s.Expect.Body != "" && isPattern || s.Expect.Regex != "":
			return false
		case isPattern:
			inner := strings.TrimSuffix(strings.TrimPrefix(pattern, "*"), "*")
			if strings.HasPrefix(pattern, "*") && strings.HasSuffix(pattern, "*") && len(pattern) > 1 && !strings.ContainsAny(inner, "*?[") && inner != "" {
				s.Expect.Body = inner
				return true
			}
			s.Expect.Regex = globRegex(pattern)
			return s.Expect.Regex != ""
		}
		s.Expect.Regex = `^\s*` + regexp.QuoteMeta(right) + `\s*$`
		return true
	}
	if inner, ok := gatusCall(left, "has"); ok {
		path, good := plainPath(strings.TrimPrefix(inner, "[BODY]."))
		return strings.HasPrefix(inner, "[BODY].") && good && op == "==" && right == "true" && s.wantJSON(path, "")
	}
	if path, ok := strings.CutPrefix(left, "[BODY]."); ok {
		plain, good := plainPath(path)
		return good && op == "==" && !isAny && !isPattern && right != "" && !strings.Contains(right, "[") && s.wantJSON(plain, right)
	}
	return false
}

func (s *Spec) wantJSON(path, value string) bool {
	if s.Kind != HTTP {
		return false
	}
	if s.Expect.JSON == nil {
		s.Expect.JSON = map[string]string{}
	}
	if was, twice := s.Expect.JSON[path]; twice && was != "" && value != "" && was != value {
		return false
	}
	if value != "" || s.Expect.JSON[path] == "" {
		s.Expect.JSON[path] = value
	}
	return true
}

// gatusCall is the argument of name(argument).
func gatusCall(text, name string) (string, bool) {
	inner, ok := strings.CutPrefix(text, name+"(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return "", false
	}
	return inner[:len(inner)-1], true
}

func gatusStatus(op, right string, accept *func(int) bool, asked *bool) bool {
	was := *accept
	narrow := func(keep func(int) bool) bool {
		*accept = func(code int) bool { return was(code) && keep(code) }
		*asked = true
		return true
	}
	if list, ok := gatusCall(right, "any"); ok {
		var codes []int
		for part := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return false
			}
			codes = append(codes, n)
		}
		in := func(code int) bool {
			return slices.Contains(codes, code)
		}
		switch op {
		case "==":
			return narrow(in)
		case "!=":
			return narrow(func(code int) bool { return !in(code) })
		}
		return false
	}
	if p, ok := gatusCall(right, "pat"); ok {
		expr := globRegex(p)
		if expr == "" || op != "==" {
			return false
		}
		re := regexp.MustCompile(expr)
		return narrow(func(code int) bool { return re.MatchString(strconv.Itoa(code)) })
	}
	n, err := strconv.Atoi(right)
	if err != nil {
		return false
	}
	switch op {
	case "==":
		return narrow(func(code int) bool { return code == n })
	case "!=":
		return narrow(func(code int) bool { return code != n })
	case "<":
		return narrow(func(code int) bool { return code < n })
	case "<=":
		return narrow(func(code int) bool { return code <= n })
	case ">":
		return narrow(func(code int) bool { return code > n })
	default:
		return narrow(func(code int) bool { return code >= n })
	}
}

// globRegex writes a pattern with * and ? as an expression; empty: it cannot.
func globRegex(glob string) string {
	if strings.ContainsAny(glob, `[\`) || len(glob) > 500 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`(?s)^`)
	for _, c := range glob {
		switch c {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String() + `$`
}
