package statuspage

import (
	"net/url"

	"tuermer/internal/platform/i18n"
)

// ReportElement is the first path element of the form on which citizens report an
// outage. Where a guest is hung under it, every page leads there.
const ReportElement = "stoerung"

// reportHref is where the form stands. A copy on another machine cannot take
// anything, so that it leads to the page of which it is one.
func (v *view) reportHref() string {
	if v.still != nil {
		return v.abs(ReportElement)
	}
	return v.href(ReportElement)
}

// reportWords say where it leads to when that is elsewhere.
func (v *view) reportWords() string {
	words := v.t("report")
	if v.still != nil {
		if u, err := url.Parse(v.m.Town.URL); err == nil && u.Host != "" {
			words += " (" + u.Host + ")"
		}
	}
	return words
}

// ReportPath is where the form stands for readers of a language, relative to the
// public address.
func ReportPath(home, lang i18n.Lang) string { return GuestPath(home, lang, ReportElement) }
