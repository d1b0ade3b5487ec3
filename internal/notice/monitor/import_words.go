package monitor

import "tuermer/internal/platform/i18n"

// In says the remark in the reader's language.
func (r Remark) In(l i18n.Locale) string {
	args := make([]any, len(r.Args))
	for i, a := range r.Args {
		if inner, ok := a.(Remark); ok {
			a = inner.In(l)
		}
		args[i] = a
	}
	if len(args) > 0 {
		if n, ok := args[0].(int); ok && l.Catalog.Has(r.Key+".other") {
			return l.Catalog.Text(l.Lang, counted(r.Key, n), args...)
		}
	}
	return l.Catalog.Text(l.Lang, r.Key, args...)
}

// counted is the form of a key for a count.
func counted(key string, n int) string {
	if n == 1 {
		return key + ".one"
	}
	return key + ".other"
}

// say sums a harvest up: how many of its entries became what.
func (h Harvest) say(l i18n.Locale) string {
	key, first := "monitor.import.say", ImportNew
	if h.Applied {
		key, first = "monitor.import.done", ImportDone
	}
	part := func(suffix string, o Outcome) string {
		return Remark{key + suffix, []any{h.Count(o)}}.In(l)
	}
	return l.Catalog.Text(l.Lang, key, part("_new", first), part("_exists", ImportExists), part("_not", ImportNot))
}
