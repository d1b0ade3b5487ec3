package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/gateway"
	"tuermer/internal/town/channel/voice"
)

// trunk is the kind of an entry that calls by SIP, without an HTTP interface between.
const trunk = "sip"

// voice is one provider of calls. The presets of short messages are none.
func (r *configReader) voice(g *GatewayConfig) setter {
	return r.provider(g, []string{gateway.Generic, trunk}, parseVoiceURL,
		field{"register", r.flag(&g.Register)},
		field{"ring", scalar(r, &g.Ring, parseSpan(10*time.Second, 90*time.Second))},
		field{"lines", r.number(&g.Lines, 1, 100)},
		field{"ca_file", scalar(r, &g.CAFile, optional(parseLine))},
	)
}

func parseVoiceURL(s string) (string, *complaint) {
	if !strings.HasPrefix(strings.ToLower(s), "sip") {
		return parseGatewayURL(s)
	}
	if _, err := voice.ParseServer(s); err != nil {
		return "", sorry("config.sip_url", shorten(s))
	}
	return s, nil
}

// checkTrunk refuses an entry that could never call, or that judges a certificate which
// it is never shown.
func (r *configReader) checkTrunk(path string, g GatewayConfig) {
	server, err := voice.ParseServer(g.URL)
	if err != nil || g.Register && g.Username == "" {
		r.refuse(r.where(path), path, "config.gateway_sip", g.Name)
	}
	if err == nil && g.CAFile != "" && server.Transport != "tls" {
		r.refuse(r.where(path), path+".ca_file", "config.sip_ca_plain", g.Name)
	}
}

// trunkFile reads the authority that a trunk's certificate must be from.
func (r *configReader) trunkFile(folder, path string, g *GatewayConfig) {
	before := len(r.problems)
	g.CA = r.wholeFile(folder, g.CAFile, path+".ca_file")
	if g.CAFile != "" && len(r.problems) == before && !x509.NewCertPool().AppendCertsFromPEM([]byte(g.CA)) {
		r.refuse(r.at[path+".ca_file"], path+".ca_file", "config.sip_ca", g.CAFile)
	}
}

// trust is how the certificate of a trunk is judged; nil: as the system does.
func (g GatewayConfig) trust() *tls.Config {
	if g.CA == "" {
		return nil
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AppendCertsFromPEM([]byte(g.CA)) // was read once already
	return c
}

// warnVoice names what makes a call count for less, or for more, than it should.
func warnVoice(path string, g GatewayConfig, note func(string, string, ...any)) {
	all := g.URL + g.Body
	for _, h := range g.Headers {
		all += h
	}
	if all = strings.ReplaceAll(all, " ", ""); !strings.Contains(all, "{{.Callback}}") && !strings.Contains(all, "{{.Reply}}") {
		note(path, "config.warn_voice_deaf", g.Name)
	}
	for _, word := range []string{"answered", "completed", "in-progress"} {
		if slices.Contains(g.Receipt.Delivered, word) {
			note(path+".receipt.delivered", "config.warn_voice_machine", g.Name, word)
		}
	}
}

// caller is the way through a trunk; nil: it is left out. w.mu is held, or nobody else
// knows w.
func (w *ways) caller(g GatewayConfig) channel.Adapter {
	made, err := voice.New(voice.Options{
		Name: g.Name, Server: g.URL, User: g.Username, From: g.From, Secret: g.Secret.Reveal, Register: g.Register, Ring: g.Ring, Lines: g.Lines, TLSConfig: g.trust(),
		Price: channel.Price{Each: g.Price, Currency: cmp.Or(g.Currency, "EUR")}, UserAgent: "Tuermer/" + w.app.o.Version, Log: w.app.log,
		Report: func(ctx context.Context, rep channel.Report) error { return w.app.channel.Report(ctx, g.Name, rep) },
		Thanks: func(lang i18n.Lang) string { return w.app.catalog.Text(lang, "app.call_thanks") },
	})
	if err != nil {
		w.app.log.Error("a trunk is left out", "route", g.Name, "err", err)
		return nil
	}
	w.callers = append(w.callers, made)
	return made
}

// hangUp ends all calls, also of entries that a reload has taken away.
func (w *ways) hangUp() {
	w.mu.Lock()
	all := slices.Clone(w.callers)
	w.mu.Unlock()
	for _, c := range all {
		c.HangUp()
	}
}
