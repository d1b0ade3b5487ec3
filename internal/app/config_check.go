package app

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"tuermer/internal/town/channel"
)

// hookAddress says how the address of a form reads, for those that need a certain one.
var hookAddress = map[channel.Form]string{
	channel.Matrix: "config.hook_address_matrix", channel.Ntfy: "config.hook_address_ntfy",
	channel.Threema: "config.hook_address_threema", channel.Signal: "config.hook_address_signal",
	channel.REST: "config.hook_address_rest",
}

// strictestKind is what an audience is taken for while nobody has said its kind:
// press needs a second person (I3), and nothing that is said to it stands on the
// public page. Doubt opens nothing.
const strictestKind = "press"

// checkReferences refuses what cannot be meant: names given twice, references
// into nothing, circles. It also runs on a file that has other faults, but is
// silent where it would only echo one of them.
func (r *configReader) checkReferences(c *Config) {
	if l := c.Listen; (l.Certificate == "") != (l.Key == "") {
		r.refuse(r.at["listen"], "listen", "config.tls_pair")
	}
	r.tainted = map[string]bool{}
	for _, p := range r.problems {
		entry, rest, _ := strings.Cut(p.Key, "]")
		r.tainted[entry+"]"] = true
		if rest == "" || rest == ".slug" || rest == ".email" {
			list, _, _ := strings.Cut(entry, "[")
			r.tainted[list] = true // what its entries are called is unknown
		}
	}
	unique(r, c.SMTP, "smtp", "name", func(s SMTPConfig) string { return s.Name })
	unique(r, c.Webhooks, "webhooks", "name", func(w WebhookConfig) string { return w.Name })
	services := unique(r, c.Services, "services", "slug", func(s ServiceConfig) string { return s.Slug })
	people := unique(r, c.People, "people", "email", func(p PersonConfig) string { return p.Email })
	checks := unique(r, c.Monitors, "monitors", "slug", func(m MonitorConfig) string { return m.Slug })
	audiences := unique(r, c.Audiences, "audiences", "slug", func(a AudienceConfig) string { return a.Slug })

	for i, s := range c.Services {
		path := fmt.Sprintf("services[%d]", i)
		// Without any people in the file they are kept in the console, where
		// this person may be; then it is a warning.
		if s.Owner != "" && len(people) > 0 {
			r.exists(s.Owner, people, path+".owner", "people", "config.no_person")
		}
		for j, other := range s.DependsOn {
			r.exists(other, services, fmt.Sprintf("%s.depends_on[%d]", path, j), "services", "config.no_service")
		}
		for j, a := range s.Audiences {
			// The kinds are audiences from the start.
			r.exists(a, append(slices.Clone(audiences), audienceKinds...), fmt.Sprintf("%s.audiences[%d]", path, j), "audiences", "config.no_audience")
		}
	}
	r.checkEscalations(c, services)
	r.checkCircles(c)
	r.checkStates(c, checks)

	for i, m := range c.Monitors {
		path := fmt.Sprintf("monitors[%d]", i)
		if m.Service != "" {
			r.exists(m.Service, services, path+".service", "services", "config.no_service")
		}
		if r.tainted[path] {
			continue
		}
		r.checkMonitor(path, &c.Monitors[i])
	}
	for i, a := range c.Audiences {
		if path := fmt.Sprintf("audiences[%d]", i); a.Kind == "" && !r.tainted[path] {
			c.Audiences[i].Kind = strictestKind
			r.remark(r.where(path), path+".kind", "config.warn_no_kind", cmp.Or(a.Name, a.Slug), strings.Join(audienceKinds, ", "))
		}
	}
	for i, w := range c.Webhooks {
		for j, s := range w.Services {
			r.exists(s, services, fmt.Sprintf("webhooks[%d].services[%d]", i, j), "services", "config.no_service")
		}
		for j, slug := range w.Audiences {
			r.exists(slug, append(slices.Clone(audiences), audienceKinds...), fmt.Sprintf("webhooks[%d].audiences[%d]", i, j), "audiences", "config.no_audience")
		}
		if path, form := fmt.Sprintf("webhooks[%d]", i), channel.Form(w.Form); !r.tainted[path] && w.URL != "" {
			if !form.Address(w.URL) {
				r.refuse(r.where(path), path+".url", hookAddress[form])
			}
			r.checkRest(path, w)
			if w.hook().NeedsSecret() && w.SecretFile == "" {
				r.refuse(r.where(path), path+".secret_file", "config.hook_token", w.Name)
			}
		}
		if path := fmt.Sprintf("webhooks[%d]", i); w.StatementsOnly && len(w.Audiences) == 0 && !r.tainted[path] {
			r.refuse(r.where(path), path+".statements_only", "config.deaf_webhook")
		}
	}
}

// unique collects one key of a list and refuses the second of the same.
func unique[T any](r *configReader, list []T, path, key string, of func(T) string) []string {
	first := map[string]int{}
	var names []string
	for i, item := range list {
		name := of(item)
		if name == "" {
			continue
		}
		at := fmt.Sprintf("%s[%d].%s", path, i, key)
		if j, twice := first[name]; twice {
			r.refuse(r.where(at), at, "config.taken", shorten(name), r.where(fmt.Sprintf("%s[%d].%s", path, j, key)).line)
			continue
		}
		first[name] = i
		names = append(names, name)
	}
	return names
}

// exists refuses a name that is not in the list; where entries of the list are
// themselves wrong, nobody can tell.
func (r *configReader) exists(name string, names []string, path, list, text string) {
	if name == "" || r.tainted[list] || slices.Contains(names, name) {
		return
	}
	if guess := closest(name, names); guess != "" {
		r.refuse(r.where(path), path, text+"_guess", shorten(name), guess)
		return
	}
	r.refuse(r.where(path), path, text, shorten(name))
}

// where is the place of a key, or of the nearest one above that is in the file.
func (r *configReader) where(path string) place {
	for {
		if p, ok := r.at[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return place{}
		}
		path = path[:i]
	}
}

// checkCircles refuses services that depend on themselves by way of others:
// "everything behind X is down too" would never end. It reports each circle
// once, at the dependency that closes it.
func (r *configReader) checkCircles(c *Config) {
	index := map[string]int{}
	for i, s := range c.Services {
		if _, twice := index[s.Slug]; !twice {
			index[s.Slug] = i
		}
	}
	const (
		fresh = iota
		onPath
		done
	)
	state := make([]int, len(c.Services))
	// An own stack, for a chain may be as long as the file.
	type step struct{ service, next int }
	for start := range c.Services {
		if state[start] != fresh {
			continue
		}
		stack := []step{{start, 0}}
		state[start] = onPath
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			deps := c.Services[top.service].DependsOn
			if top.next == len(deps) {
				state[top.service] = done
				stack = stack[:len(stack)-1]
				continue
			}
			j := top.next
			top.next++
			other, known := index[deps[j]]
			if !known {
				continue
			}
			switch state[other] {
			case fresh:
				state[other] = onPath
				stack = append(stack, step{other, 0})
			case onPath:
				var circle []string
				for _, s := range stack {
					if s.service == other || len(circle) > 0 {
						circle = append(circle, c.Services[s.service].Slug)
					}
				}
				circle = append(circle, deps[j])
				path := fmt.Sprintf("services[%d].depends_on[%d]", top.service, j)
				r.refuse(r.where(path), path, "config.circle", strings.Join(circle, " → "))
			}
		}
	}
}

// warn says what is missing for an alarm to reach somebody, and for words to
// reach the town. Each text tells the way out.
func (r *configReader) warn(c *Config) {
	note := func(path, text string, args ...any) { r.remark(r.where(path), path, text, args...) }

	if len(c.Town.Domains) == 0 {
		note("town.domains", "config.warn_no_domains")
	}
	r.warnMail(c, note)

	if len(c.Monitors) == 0 {
		note("monitors", "config.warn_no_monitors")
	}
	r.warnPeople(c, note)

	monitored := map[string]bool{}
	for i, m := range c.Monitors {
		monitored[m.Service] = true
		if m.Service == "" {
			note(fmt.Sprintf("monitors[%d].service", i), "config.warn_monitor_alone", m.Slug)
		}
	}
	recipients := map[string]int{}
	for _, a := range c.Audiences {
		recipients[a.Slug] = len(a.Recipients)
	}
	empty := map[string]bool{}
	for i, s := range c.Services {
		path := fmt.Sprintf("services[%d]", i)
		switch {
		case s.Owner == "" && monitored[s.Slug]:
			note(path+".owner", "config.warn_no_owner", s.Name)
		case s.Owner != "" && len(c.People) == 0:
			note(path+".owner", "config.warn_owner_unknown", s.Owner)
		}
		for j, a := range s.Audiences {
			if recipients[a] == 0 && !empty[a] {
				empty[a] = true
				note(fmt.Sprintf("%s.audiences[%d]", path, j), "config.warn_no_recipients", a)
			}
		}
	}
}

func (r *configReader) warnMail(c *Config, note func(string, string, ...any)) {
	r.warnGateways(c, note)
	r.warnMessengers(c, note)
	if len(c.SMTP) == 0 {
		note("smtp", "config.warn_no_smtp")
	}
	for i, s := range c.SMTP {
		path := fmt.Sprintf("smtp[%d]", i)
		if s.Host == "" {
			note(path+".host", "config.warn_no_host")
		}
		if s.From == "" {
			note(path+".from", "config.warn_no_from")
		}
		if s.Username != "" && s.PasswordFile == "" {
			note(path+".password_file", "config.warn_no_password")
		}
		if ip, err := netip.ParseAddr(s.Host); s.TLS == "none" && s.Username != "" && s.Host != "" && s.Host != "localhost" && (err != nil || !ip.IsLoopback()) {
			note(path+".tls", "config.warn_clear_password", s.Host)
		}
	}
	for i, w := range c.Webhooks {
		warnRest(fmt.Sprintf("webhooks[%d]", i), w, note)
		if w.SecretFile == "" && w.Form == "" { // a chat does not check who writes, its address is the secret
			note(fmt.Sprintf("webhooks[%d].secret_file", i), "config.warn_unsigned", w.Name)
		}
	}
}

// warnPeople looks at those who get alarms: the role it, and owners of
// services. Each needs an address that still works when the town's own network
// is down (I13).
func (r *configReader) warnPeople(c *Config, note func(string, string, ...any)) {
	owner := map[string]bool{}
	for _, s := range c.Services {
		owner[s.Owner] = true
	}
	var admins, it, approvers int
	for i, p := range c.People {
		path := fmt.Sprintf("people[%d]", i)
		if slices.Contains(p.Roles, "admin") {
			admins++
		}
		if slices.Contains(p.Roles, "approver") {
			approvers++
		}
		alerted := owner[p.Email]
		if slices.Contains(p.Roles, "it") {
			it++
			alerted = true
		}
		if !alerted {
			continue
		}
		switch {
		case p.Alternative == "":
			note(path+".alternative", "config.warn_no_alternative", p.Name)
		case c.inTown(domainOf(p.Alternative)) || domainOf(p.Alternative) == domainOf(p.Email):
			note(path+".alternative", "config.warn_same_domain", p.Name, domainOf(p.Alternative))
		}
	}
	if len(c.People) == 0 {
		note("people", "config.warn_no_people")
		return
	}
	if it == 0 {
		note("people", "config.warn_no_it")
	}
	if admins == 0 {
		note("people", "config.warn_no_admin")
	}
	if approvers == 0 {
		note("people", "config.warn_no_approver")
	}
}

// inTown reports whether a domain is the town's own: declared as such, or the
// one under which staff reach this very system.
func (c *Config) inTown(domain string) bool {
	own := c.Town.Domains
	if u, err := url.Parse(c.URLs.Staff); err == nil && u.Hostname() != "" {
		own = append(slices.Clone(own), u.Hostname())
	}
	return slices.ContainsFunc(own, func(d string) bool {
		return domain == d || strings.HasSuffix(domain, "."+d)
	})
}
