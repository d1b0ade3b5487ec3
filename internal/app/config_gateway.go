package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/gateway"
	"tuermer/internal/town/channel/modem"
	"tuermer/internal/town/channel/smpp"
	"tuermer/internal/town/papers"
)

// GatewayConfig is one provider of short messages or calls.
type GatewayConfig struct {
	Name        string
	Kind        string // http-json, or a provider whose interface is known
	URL         string
	Method      string
	Body        string
	ContentType string
	Headers     map[string]string
	Auth        string // none, basic or bearer
	Username    string
	SecretFile  string
	SecretEnv   string
	From        string
	Success     []string
	IDPath      string
	OKPath      string
	OK          []string
	Receipt     ReceiptConfig
	Rate        float64 // messages a second
	Burst       int
	Price       float64
	Currency    string
	Timeout     time.Duration
	Folder      string // of gammu-smsd, for the kind gammu
	Register    bool   // of a trunk, for the kind sip: it takes calls only from whoever signs in
	Ring        time.Duration
	Lines       int
	CAFile      string // by which a trunk's certificate is judged; empty: the system's
	CA          string // content of CAFile, read by [LoadConfig]
	Secret      Secret // content of SecretFile, read by [LoadConfig]
	SMPP        SMPPConfig
}

// ReceiptConfig says where a receipt holds what; Key is the pressed key of a call.
type ReceiptConfig struct{ ID, Reference, Status, Reason, Delivered, Failed, Key []string }

// gammu is the kind of an entry that leads to a modem in the house.
const gammu = "gammu"

func parseFolder(s string) (string, *complaint) {
	if !filepath.IsAbs(s) || filepath.Clean(s) == "/" {
		return "", sorry("config.folder", shorten(s))
	}
	return filepath.Clean(s), nil
}

var gatewayAuth = []string{"none", "basic", "bearer"}

func (r *configReader) gateway(g *GatewayConfig) setter {
	return r.provider(g, append(gateway.Presets(), gammu, smppKind), parseGatewayURL, r.smpp(&g.SMPP)...)
}

// provider is an entry of one of the kinds, at an address of that form.
func (r *configReader) provider(g *GatewayConfig, kinds []string, address func(string) (string, *complaint), more ...field) setter {
	return r.object(1, append([]field{
		{"name", scalar(r, &g.Name, parseLine)},
		{"kind", scalar(r, &g.Kind, oneOf(kinds))},
		{"folder", scalar(r, &g.Folder, parseFolder)},
		{"url", scalar(r, &g.URL, address)},
		{"method", scalar(r, &g.Method, oneOf([]string{"POST", "PUT", "GET"}))},
		{"body", scalar(r, &g.Body, parseRaw)},
		{"content_type", scalar(r, &g.ContentType, parseLine)},
		{"headers", mapOf(r, &g.Headers, parseLine)},
		{"auth", scalar(r, &g.Auth, oneOf(gatewayAuth))},
		{"username", scalar(r, &g.Username, optional(parseLine))},
		{"secret_file", scalar(r, &g.SecretFile, optional(parseLine))},
		{"secret_env", scalar(r, &g.SecretEnv, optional(parseLine))},
		{"from", scalar(r, &g.From, optional(parseLine))},
		{"success", r.each(&g.Success, parseStatus)},
		{"id_path", scalar(r, &g.IDPath, optional(parseLine))},
		{"ok_path", scalar(r, &g.OKPath, optional(parseLine))},
		{"ok", r.each(&g.OK, parseLine)},
		{"receipt", r.object(0,
			field{"id", r.each(&g.Receipt.ID, parseLine)},
			field{"reference", r.each(&g.Receipt.Reference, parseLine)},
			field{"status", r.each(&g.Receipt.Status, parseLine)},
			field{"reason", r.each(&g.Receipt.Reason, parseLine)},
			field{"delivered", r.each(&g.Receipt.Delivered, parseLower)},
			field{"failed", r.each(&g.Receipt.Failed, parseLower)},
			field{"key", r.each(&g.Receipt.Key, parseLine)},
		)},
		{"rate", scalar(r, &g.Rate, parseDecimal(0.01, 1000))},
		{"burst", r.number(&g.Burst, 1, 10000)},
		{"price", scalar(r, &g.Price, parseDecimal(0, 100))},
		{"currency", scalar(r, &g.Currency, oneOf([]string{"EUR", "CHF", "USD", "GBP"}))},
		{"timeout", scalar(r, &g.Timeout, parseSpan(time.Second, 10*time.Second))},
	}, more...)...)
}

func parseStatus(s string) (string, *complaint) {
	if n, err := strconv.Atoi(s); err != nil || n < 200 || n > 499 {
		return "", sorry("config.want_number", 200, 499)
	}
	return s, nil
}

func parseLower(s string) (string, *complaint) {
	s, wrong := parseLine(s)
	return strings.ToLower(s), wrong
}

func parseDecimal(lowest, highest float64) func(string) (float64, *complaint) {
	return func(s string) (float64, *complaint) {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n >= lowest && n <= highest) {
			return 0, sorry("config.want_decimal", strconv.FormatFloat(lowest, 'f', -1, 64), strconv.FormatFloat(highest, 'f', -1, 64))
		}
		return n, nil
	}
}

// parseGatewayURL takes an address that may hold placeholders.
func parseGatewayURL(s string) (string, *complaint) {
	sample := gateway.Fill(s, gateway.Query, gateway.Values{To: "1", Digits: "1", ID: "1", User: "u", From: "f", Text: "t"})
	if _, ok := webURL(sample, "http", "https"); !ok {
		return "", sorry("config.url", shorten(s), "https://sms.example/send")
	}
	return s, nil
}

// options are what the adapter needs of the entry; what depends on the running
// product is added by its maker.
func (g GatewayConfig) options(kind channel.Kind) gateway.Options {
	o := gateway.Options{
		Name: g.Name, Kind: kind, Preset: cmp.Or(g.Kind, gateway.Generic), URL: g.URL, Method: g.Method, Body: g.Body, Type: g.ContentType,
		Auth: g.Auth, User: g.Username, From: g.From, IDPath: g.IDPath, OKPath: g.OKPath, OK: g.OK,
		Receipt: gateway.Paths{
			ID: g.Receipt.ID, Reference: g.Receipt.Reference, Status: g.Receipt.Status, Reason: g.Receipt.Reason,
			Arrived: g.Receipt.Delivered, Lost: g.Receipt.Failed, Key: g.Receipt.Key,
		},
		Rate: g.Rate, Burst: g.Burst, Price: channel.Price{Each: g.Price, Currency: cmp.Or(g.Currency, "EUR")}, Timeout: g.Timeout,
		Now: clock.System{}.Now, // its maker puts the running one in
	}
	names := make([]string, 0, len(g.Headers))
	for name := range g.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		o.Headers = append(o.Headers, [2]string{name, g.Headers[name]})
	}
	for _, s := range g.Success {
		n, _ := strconv.Atoi(s) // parseStatus has judged it
		o.Success = append(o.Success, n)
	}
	return o
}

// gatewayLists are the two lists, by their key.
func (c *Config) gatewayLists() map[string][]GatewayConfig {
	return map[string][]GatewayConfig{"sms": c.SMS, "voice": c.Voice}
}

// gatewayTexts say what is wrong with an entry.
var gatewayTexts = map[string]string{
	"placeholder": "config.gateway_placeholder", "braces": "config.gateway_braces", "json": "config.gateway_json", "nested": "config.gateway_nested",
	"address": "config.gateway_address", "body": "config.gateway_body",
}

// checkGateways looks at what belongs together: an entry that could never be sent
// with is refused, since its town would believe in it.
func (r *configReader) checkGateways(c *Config) {
	unique(r, c.SMS, "sms", "name", func(g GatewayConfig) string { return g.Name })
	unique(r, c.Voice, "voice", "name", func(g GatewayConfig) string { return g.Name })
	for _, key := range []string{"sms", "voice"} {
		for i, g := range c.gatewayLists()[key] {
			path := fmt.Sprintf("%s[%d]", key, i)
			if r.tainted[path] {
				continue
			}
			if g.Kind == gammu {
				if key != "sms" || g.Folder == "" {
					r.refuse(r.where(path), path, "config.gateway_gammu", g.Name)
				}
				continue
			}
			if g.Kind == smppKind {
				if _, err := smpp.New(g.smpp()); err != nil || key != "sms" {
					r.refuse(r.where(path), path, "config.gateway_smpp", g.Name)
				}
				continue
			}
			if g.Kind == trunk {
				r.checkTrunk(path, g)
				continue
			}
			if _, err := gateway.New(g.options(channel.Kind(key))); err != nil {
				text, detail := "config.gateway_other", err.Error()
				if p, ok := errors.AsType[*gateway.Problem](err); ok && gatewayTexts[p.Word] != "" {
					text, detail = gatewayTexts[p.Word], p.Detail
				}
				r.refuse(r.where(path), path, text, g.Name, detail)
			}
		}
	}
}

// warnGateways names what lets an entry down on the day.
func (r *configReader) warnGateways(c *Config, note func(string, string, ...any)) {
	for _, key := range []string{"sms", "voice"} {
		list := c.gatewayLists()[key]
		for i, g := range list {
			path := fmt.Sprintf("%s[%d]", key, i)
			if key == "voice" && g.Kind != trunk {
				warnVoice(path, g, note)
			}
			u := g.place()
			if u == nil {
				continue
			}
			ip, ipErr := netip.ParseAddr(u.Hostname())
			here := u.Hostname() == "localhost" || ipErr == nil && ip.IsLoopback()
			switch {
			case here || u.Scheme != "http":
			case g.Kind == smppKind:
				note(path+".tls", "config.warn_smpp_plain", g.Name, u.Hostname())
			default:
				note(path+".url", "config.warn_gateway_plain", g.Name, u.Hostname())
			}
			own := c.inTown(u.Hostname())
			for _, n := range c.Town.Networks {
				if p, perr := netip.ParsePrefix(n); perr == nil && ipErr == nil && p.Contains(ip) {
					own = true
				}
			}
			if own {
				note(path+".url", "config.warn_gateway_own", g.Name, u.Hostname())
			}
			if g.Kind != "" && g.Kind != gateway.Generic && (g.Kind != trunk || g.Username != "") && g.SecretFile == "" && g.SecretEnv == "" {
				note(path+".secret_file", "config.warn_gateway_secret", g.Name)
			}
		}
		if len(list) == 1 {
			note(key, "config.warn_gateway_one", list[0].Name)
		}
	}
}

// eachGateway visits the entries in the order of the file.
func (c *Config) eachGateway(visit func(channel.Kind, GatewayConfig)) {
	for _, kind := range []channel.Kind{channel.SMS, channel.Voice} {
		for _, g := range c.gatewayLists()[string(kind)] {
			visit(kind, g)
		}
	}
}

// key is all that the entry says; entries that say the same keep their adapter,
// which remembers what it learned.
func (g GatewayConfig) key(kind channel.Kind) string {
	all, err := json.Marshal(g)
	if err != nil {
		return "" // of numbers, texts and lists there is no such error
	}
	return string(kind) + string(all)
}

// gatewayAdapters are the providers of one file, in its order.
func (w *ways) gatewayAdapters(c *Config) []channel.Adapter {
	var out []channel.Adapter
	c.eachGateway(func(kind channel.Kind, g GatewayConfig) {
		if made, ok := w.gates[g.key(kind)]; ok {
			out = append(out, made)
			return
		}
		if g.Kind == smppKind {
			made, err := w.app.smppAdapter(kind, g)
			if err != nil {
				w.app.log.Error("a message centre is left out", "route", g.Name, "err", err)
				return
			}
			w.gates[g.key(kind)] = made
			out = append(out, made)
			return
		}
		if g.Kind == gammu {
			made, err := modem.New(modem.Options{
				Name: g.Name, Folder: g.Folder, Price: channel.Price{Each: g.Price, Currency: cmp.Or(g.Currency, "EUR")}, Rate: g.Rate, Now: w.app.o.Clock.Now,
			})
			if err != nil {
				w.app.log.Error("a modem is left out", "route", g.Name, "err", err)
				return
			}
			w.gates[g.key(kind)] = made
			out = append(out, made)
			return
		}
		if g.Kind == trunk {
			if made := w.caller(g); made != nil {
				w.gates[g.key(kind)] = made
				out = append(out, made)
			}
			return
		}
		o := g.options(kind)
		o.DialContext, o.Now, o.UserAgent = w.app.o.Dial, w.app.o.Clock.Now, "Tuermer/"+w.app.o.Version
		o.Secret = g.Secret.Reveal
		o.Callback = w.app.callback(kind, g.Name)
		made, err := gateway.New(o)
		if err != nil {
			w.app.log.Error("a gateway is left out", "route", g.Name, "err", err)
			return
		}
		w.gates[g.key(kind)] = made
		out = append(out, made)
	})
	return out
}

// gatewayHosts are where numbers and texts go, for the papers.
func gatewayHosts(c *Config) []papers.Way {
	var out []papers.Way
	for _, key := range []string{"sms", "voice"} {
		for _, g := range c.gatewayLists()[key] {
			if u := g.place(); u != nil && u.Hostname() != "" { // a modem's network operator is the town's own
				out = append(out, papers.Way{Name: g.Name, Host: u.Hostname()})
			}
		}
	}
	return out
}
