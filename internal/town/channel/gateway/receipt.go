package gateway

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"tuermer/internal/town/channel"
)

// MaxReports bounds the reports of one body.
const MaxReports = 1000

func (p Paths) over(q Paths) Paths {
	pick := func(a, b []string) []string {
		if len(a) > 0 {
			return a
		}
		return b
	}
	return Paths{
		ID: pick(p.ID, q.ID), Reference: pick(p.Reference, q.Reference), Status: pick(p.Status, q.Status), Reason: pick(p.Reason, q.Reason),
		Arrived: pick(p.Arrived, q.Arrived), Lost: pick(p.Lost, q.Lost), Key: pick(p.Key, q.Key),
	}
}

// lookup finds the first of the paths that holds something.
type lookup func(paths []string) string

// entries are the single reports of a body: a JSON object, an array of them, a
// form or the query.
func entries(b channel.Body) ([]lookup, error) {
	data := []byte(strings.TrimSpace(strings.TrimPrefix(string(b.Data), "\ufeff")))
	if len(data) > 0 && (data[0] == '{' || data[0] == '[') {
		if !gjson.ValidBytes(data) {
			return nil, channel.ErrBody
		}
		all := []gjson.Result{gjson.ParseBytes(data)}
		if all[0].IsArray() {
			all = all[0].Array()
		}
		var out []lookup
		for _, one := range all[:min(len(all), MaxReports)] {
			if !one.IsObject() {
				return nil, channel.ErrBody
			}
			out = append(out, func(paths []string) string {
				for _, p := range paths {
					if v := one.Get(p); v.Exists() && !v.IsObject() && !v.IsArray() && v.String() != "" {
						return v.String()
					}
				}
				return ""
			})
		}
		return out, nil
	}
	form := b.Query
	if len(data) > 0 {
		var err error
		if form, err = url.ParseQuery(string(data)); err != nil {
			return nil, channel.ErrBody
		}
	}
	if len(form) == 0 {
		return nil, channel.ErrBody
	}
	return []lookup{func(paths []string) string {
		for _, p := range paths {
			if v := form.Get(p); v != "" {
				return v
			}
		}
		return ""
	}}, nil
}

// Reports reads receipts in the provider's documented form. A status that says
// neither arrived nor lost has no [channel.Arrival]. A key that means something
// has arrived, whatever else is said of the call.
func (a *Adapter) Reports(b channel.Body) ([]channel.Report, error) {
	all, err := entries(b)
	if err != nil {
		return nil, err
	}
	p := a.o.Receipt
	var out []channel.Report
	for _, get := range all {
		r := channel.Report{ID: line(get(p.ID)), Reference: line(get(p.Reference)), Reason: line(get(p.Reason))}
		status := strings.ToLower(strings.TrimSpace(get(p.Status)))
		key := strings.TrimRight(strings.TrimSpace(get(p.Key)), "#*")
		switch {
		case a.o.Kind == channel.Voice && channel.Meaning(key) != channel.Unclear:
			r.Arrival, r.Reason, r.Key = channel.Arrived, "", key
		case slices.Contains(p.Arrived, status):
			r.Arrival, r.Reason = channel.Arrived, ""
		case slices.Contains(p.Lost, status):
			r.Arrival, r.Reason = channel.Lost, cmp.Or(r.Reason, line(status))
		}
		if r.ID == "" && r.Reference == "" {
			continue // a report about nothing of ours, such as another webhook event
		}
		out = append(out, r)
	}
	return out, nil
}

// Replies reads answers of people. Numbers come back with or without their plus.
func (a *Adapter) Replies(b channel.Body) ([]channel.Reply, error) {
	all, err := entries(b)
	if err != nil {
		return nil, err
	}
	p := a.p.reply
	if len(p.From) == 0 {
		p = generic.reply
	}
	var out []channel.Reply
	for _, get := range all {
		r := channel.Reply{ID: line(get(p.ID)), From: number(get(p.From)), Text: get(p.Text)}
		if r.From == "" || r.Text == "" {
			continue
		}
		if len(r.Text) > 2000 {
			r.Text = strings.ToValidUTF8(r.Text[:2000], "")
		}
		out = append(out, r)
	}
	return out, nil
}

// number is E.164 with its plus; empty for what is none.
func number(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -/().", r) {
			return -1
		}
		return r
	}, s)
	s = strings.TrimPrefix(strings.TrimPrefix(s, "00"), "+")
	if len(s) < 7 || len(s) > 15 || strings.Trim(s, "0123456789") != "" || s[0] == '0' {
		return ""
	}
	return "+" + s
}
