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
	return l.Catalog.Text(l.Lang, r.Key, args...)
}
