package alert

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// awayView is what the link of a mail shows while the database is away.
type awayView struct {
	Alert Alert // what the spool knows of it; without a title for what was raised before
	Taken spooledTaken
}

func (v awayView) title(ctx context.Context) string {
	if v.Alert.Title != "" {
		return v.Alert.Title
	}
	return i18n.T(ctx, "alert.away.title")
}

// isAway reports whether the database does not answer and the spool stands in.
func (r *Room) isAway() bool {
	return r.spool != nil && r.o.Away != nil && !r.o.Away().IsZero()
}

// awayLink answers a mail's link without the database: it shows what the spool
// knows, and with take writes down that the person takes the alarm.
func (r *Room) awayLink(w http.ResponseWriter, req *http.Request, take bool) error {
	token := req.PathValue("token")
	payload, err := r.o.Signer.Verify(ackPurpose, token, r.o.Clock.Now())
	if errors.Is(err, vault.ErrExpired) {
		return r.gone(w, req, ErrLinkOld)
	}
	id, person, ok := strings.Cut(string(payload), " ")
	if err != nil || !ok {
		return r.gone(w, req, ErrLink)
	}
	t := ident.TenantOf(req.Context())
	p := r.spool
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.find(t, ID(id))
	if take && (a == nil || a.Taken.Person == "") {
		name, known := p.book.Towns[t].name(identity.PersonID(person))
		if !known {
			return r.gone(w, req, ErrLink)
		}
		if p.log == nil {
			return errSpoolClosed
		}
		// Nobody is told that it counts unless the disk has it.
		err := p.keep(spoolLine{Taken: &spoolTaken{spoolAlarm{t, ID(id)}, spooledTaken{person, name, r.o.Clock.Now()}}})
		if err != nil {
			return err
		}
		p.sender.Kick()
		return web.SeeOther(w, req, "/a/"+url.PathEscape(token))
	}
	v := awayView{}
	if a != nil {
		v.Alert, v.Taken = a.Alert, a.Taken
	}
	return web.Render(w, req, linkAway(v))
}

var errSpoolClosed = errors.New("alert: the spool is closed")

// name finds somebody whom the book knows and who may be told.
func (t townBook) name(id identity.PersonID) (string, bool) {
	for _, s := range t.Services {
		for _, l := range s.Levels {
			for _, p := range l.People {
				if p.ID == id && !p.Blocked {
					return p.Name, true
				}
			}
		}
	}
	return "", false
}
