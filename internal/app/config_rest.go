package app

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"

	"tuermer/internal/platform/fill"
	"tuermer/internal/town/channel"
)

// rest reads the request of a service with a REST interface of its own.
func (r *configReader) rest(c *channel.Rest) setter {
	return r.object(0,
		field{"preset", scalar(r, &c.Preset, optional(oneOf(channel.RestPresets())))},
		field{"method", scalar(r, &c.Method, oneOf([]string{http.MethodPost, http.MethodPut}))},
		field{"content_type", scalar(r, &c.Type, parseLine)},
		field{"headers", mapOf(r, &c.Headers, parseLine)},
		field{"auth", scalar(r, &c.Auth, oneOf(gatewayAuth))},
		field{"username", scalar(r, &c.User, optional(parseLine))},
		field{"to", scalar(r, &c.To, optional(parseLine))},
		field{"body", scalar(r, &c.Body, parseRaw)},
		field{"id_path", scalar(r, &c.IDPath, optional(parseLine))},
		field{"ok_path", scalar(r, &c.OKPath, optional(parseLine))},
		field{"ok", r.each(&c.OK, parseLine)},
		field{"markup", scalar(r, &c.Markup, oneOf([]string{"plain", "markdown", "html"}))},
		field{"max_length", r.number(&c.Length, 100, 32_000)},
	)
}

// rest is the entry's request, and nil of every other form.
func (w WebhookConfig) rest() *channel.Rest {
	if channel.Form(w.Form) != channel.REST {
		return nil
	}
	return &w.Rest
}

func (w WebhookConfig) hook() channel.Hook {
	return channel.Hook{Form: channel.Form(w.Form), Rest: w.rest()}
}

// restKeys are where a problem stands, if not in the body.
var restKeys = map[string]string{
	"preset": "preset", "method": "method", "type": "content_type", "auth": "auth", "user": "username", "to": "to", "header": "headers",
	"secret": "headers", "ok": "ok", "markup": "markup", "length": "max_length",
}

// checkRest refuses a request that could never be sent, since its town would believe
// in it.
func (r *configReader) checkRest(path string, w WebhookConfig) {
	if w.rest() == nil {
		if _, written := r.at[path+".rest"]; written {
			r.refuse(r.where(path+".rest"), path+".rest", "config.rest_unused", w.Name)
		}
		return
	}
	_, err := w.rest().Whole()
	if p, ok := errors.AsType[*fill.Problem](err); ok {
		key := path + ".rest.body"
		if k := restKeys[p.Word]; k != "" {
			key = path + ".rest." + k
		}
		r.refuse(r.where(key), key, channel.RestText(p))
	}
}

// warnRest names a request that lays its token open on the way.
func warnRest(path string, w WebhookConfig, note func(string, string, ...any)) {
	u, err := url.Parse(w.URL)
	if err != nil || w.rest() == nil || u.Scheme != "http" || !w.hook().NeedsSecret() {
		return
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		note(path+".url", "config.warn_rest_plain", w.Name, u.Hostname())
	}
}
