package roster

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
)

// SlashPath is behind the token in the address of a [Hook].
const SlashPath = "dienst"

// What is taken, and how often.
const (
	maxSlash        = 64 << 10 // bytes; a message is 16 383 letters at most, and a command a few words
	slackFresh      = 5 * time.Minute
	maxSpeaksMinute = 30  // commands of one account
	maxCodesAMinute = 5   // wrong codes of one account
	maxCodesOfHook  = 600 // and of all accounts of a messenger together
)

var (
	errSlashProof  = fault.New(fault.Unauthenticated, "roster.slash_unproven")
	errSlashForm   = fault.New(fault.Invalid, "roster.slash_unreadable")
	errSlashTwice  = fault.New(fault.Unauthenticated, "roster.slash_twice")
	commandForm    = regexp.MustCompile(`^[/!.]?[\p{L}\p{N}_-]{1,30}$`)
	defaultCommand = "/dienst"
)

// Slash is a command as a messenger sent it.
type Slash struct {
	Team, User, UserName string
	Prefix               string // how the command is called there: "/dienst"
	Text                 string // what follows it
	// Idle: nothing to answer. A machine wrote it, or the messenger only looks whether
	// the address is there.
	Idle bool
}

// sameSecret compares without telling by its time how much was right.
func sameSecret(got string, want []byte) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256(want)
	return len(want) > 0 && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// ReadSlash checks by the secret that a request comes from the messenger and reads it,
// as the makers document: Mattermost's and Slack's slash commands, Rocket.Chat's
// outgoing webhooks. sign is what must not come a second time; empty: nothing.
func ReadSlash(product channel.Form, secret []byte, h http.Header, body []byte, now time.Time) (s Slash, sign string, err error) {
	if len(secret) == 0 {
		return s, "", errSlashProof
	}
	if product == channel.Slack { // it signs the bytes, so nothing is read before
		if sign, err = slackSigned(secret, h, body, now); err != nil {
			return s, "", err
		}
	}
	f, err := slashFields(h.Get("Content-Type"), body)
	if err != nil {
		return s, "", err
	}
	s = Slash{Team: f["team_id"], User: f["user_id"], UserName: f["user_name"], Prefix: f["command"], Text: f["text"]}
	switch product {
	case channel.Mattermost:
		// The token stands in the header and in the form. A proxy may keep the header
		// to itself; what is there must be right.
		head, ok := strings.CutPrefix(h.Get("Authorization"), "Token ")
		if !sameSecret(f["token"], secret) || ok && !sameSecret(head, secret) {
			return Slash{}, "", errSlashProof
		}
	case channel.RocketChat:
		if !sameSecret(f["token"], secret) {
			return Slash{}, "", errSlashProof
		}
		// What a machine wrote in somebody's name is nobody's word, and our own answer
		// is no question. What is written anew has been answered.
		s.Idle = f["bot"] == "true" || f["isEdited"] == "true"
		s.Prefix = f["trigger_word"]
		if s.Prefix == "" {
			s.Prefix, _, _ = strings.Cut(strings.TrimSpace(s.Text), " ")
		}
		s.Text = strings.TrimPrefix(strings.TrimSpace(s.Text), s.Prefix)
		s.Prefix = strings.TrimSpace(s.Prefix)
	case channel.Slack:
		s.Idle = f["ssl_check"] == "1"
	default:
		return Slash{}, "", errSlashProof
	}
	if !commandForm.MatchString(s.Prefix) {
		s.Prefix = defaultCommand
	}
	if !s.Idle && (s.User == "" || len(s.User) > maxAccount || len(s.Team) > maxAccount) {
		return Slash{}, "", errSlashForm
	}
	return s, sign, nil
}

// slackSigned checks version 0 of Slack's signature, over time and body.
func slackSigned(secret []byte, h http.Header, body []byte, now time.Time) (string, error) {
	stamp, said := h.Get("X-Slack-Request-Timestamp"), h.Get("X-Slack-Signature")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(at, 0)).Abs() > slackFresh {
		return "", errSlashProof
	}
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("v0:" + stamp + ":"))
	m.Write(body)
	got, err := hex.DecodeString(strings.TrimPrefix(said, "v0="))
	if err != nil || !strings.HasPrefix(said, "v0=") || !hmac.Equal(got, m.Sum(nil)) {
		return "", errSlashProof
	}
	return hex.EncodeToString(got), nil
}

// slashFields are the fields of a form, or of a flat JSON object.
func slashFields(contentType string, body []byte) (map[string]string, error) {
	out := map[string]string{}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, errSlashForm
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		q, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errSlashForm.With(err)
		}
		for k, v := range q {
			if len(v) != 1 {
				return nil, errSlashForm // of two users none is meant
			}
			out[k] = v[0]
		}
	case "application/json":
		var fields map[string]any
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, errSlashForm.With(err)
		}
		for k, v := range fields {
			switch v := v.(type) {
			case string:
				out[k] = v
			case bool:
				out[k] = strconv.FormatBool(v)
			case map[string]any: // "bot": {"i": …}
				out[k] = "true"
			}
		}
	default:
		return nil, errSlashForm
	}
	return out, nil
}

// turnstile counts by the minute, in memory, each node for itself.
type turnstile struct {
	mu     sync.Mutex
	minute int64
	n      map[string]int
}

// maxTurns bounds the keys of a minute; whoever comes then waits for the next.
const maxTurns = 10_000

// let counts one and reports whether it is among the first most of the minute.
func (t *turnstile) let(now time.Time, key string, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := now.Unix() / 60; m != t.minute || t.n == nil {
		t.minute, t.n = m, map[string]int{}
	}
	if _, known := t.n[key]; !known && len(t.n) >= maxTurns {
		return false
	}
	t.n[key]++
	return t.n[key] <= most
}

// has reports whether one more would be let, and counts none.
func (t *turnstile) has(now time.Time, key string, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Unix()/60 != t.minute {
		return true
	}
	n, known := t.n[key]
	return n < most && (known || len(t.n) < maxTurns)
}

// heard are the signatures that came, while they would still be good.
type heard struct {
	mu  sync.Mutex
	all map[string]time.Time
}

// first reports whether a signature comes for the first time.
func (k *heard) first(now time.Time, sign string) bool {
	if sign == "" {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[string]time.Time{}
	}
	// A moment lies ahead of now by as much at most, and is good for as long again.
	maps.DeleteFunc(k.all, func(_ string, at time.Time) bool { return now.Sub(at).Abs() > 2*slackFresh })
	if _, known := k.all[sign]; known || len(k.all) >= maxTurns {
		return false
	}
	k.all[sign] = now
	return true
}

// TakeSlash answers what a messenger sends to the address of a hook; the path value
// "token" is its secret part. Whoever proves to be the messenger gets 200 and words,
// for it shows nothing else to the person who waits.
func (r *Room) TakeSlash(w http.ResponseWriter, req *http.Request) error {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return nil
	}
	ctx := req.Context()
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxSlash))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return fault.New(fault.TooLarge, "roster.slash_unreadable").With(err)
	}
	if err != nil {
		return errSlashForm.With(err)
	}
	row, secret, err := r.hookAt(ctx, req.PathValue("token"))
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	s, sign, err := ReadSlash(row.Product, secret, req.Header, body, now)
	if err == nil && !r.heard.first(now, sign) {
		err = errSlashTwice
	}
	if err != nil {
		if noted := r.seenHook(ctx, row, false); noted != nil {
			r.o.Log.WarnContext(ctx, "a refused command is not noted", "err", noted)
		}
		return err
	}
	if err := r.seenHook(ctx, row, true); err != nil {
		r.o.Log.WarnContext(ctx, "a command is not noted", "err", err)
	}
	if s.Idle {
		if _, err := r.spend(ctx, now, shownCodes(s.Text)); err != nil {
			return err
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	said, err := r.answerSlash(ctx, row, s, now)
	if err != nil {
		// A page of errors would be shown by nobody: the words say what is safe.
		r.o.Log.ErrorContext(ctx, "a command failed", "hook", row.ID, "err", err)
		t, terr := r.townTeller(ctx, s.Prefix, now)
		if terr != nil {
			return terr
		}
		said = t.plain("failed")
	}
	answer, err := row.Product.Reply(channel.Note{Title: said.Title, Text: strings.Join(said.Lines, "\n"), Link: said.Link, Label: said.Label}, said.All)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(answer) // the messenger may have given up
	return nil
}

// townTeller speaks to somebody whose language is not known.
func (r *Room) townTeller(ctx context.Context, prefix string, now time.Time) (teller, error) {
	l, _, err := r.locale(ctx, "", now)
	return teller{l, prefix}, err
}

// answerSlash does the command of an account. Whoever has not confirmed theirs hears
// how to, and nothing else: no name, no time, no roster.
func (r *Room) answerSlash(ctx context.Context, row hookRow, s Slash, now time.Time) (Said, error) {
	account := s.Team + "\n" + s.User
	t, err := r.townTeller(ctx, s.Prefix, now)
	if err != nil {
		return Said{}, err
	}
	c := ParseCommand(s.Text)
	may, me := r.gate.let(now, "speak\n"+row.ID+"\n"+account, maxSpeaksMinute), c.Verb == VerbMe && c.Arg != ""
	if !may || !me {
		of, err := r.spend(ctx, now, shownCodes(s.Text))
		switch {
		case err != nil:
			return r.codeFailed(ctx, t, row, err)
		case len(of) > 0:
			return t.plain("code_ended", t.prefix), nil
		case !may:
			return t.plain("too_many"), nil
		}
	}
	if me {
		name := s.UserName
		if strings.TrimSpace(name) == "" {
			name = s.User
		}
		return r.sayMe(ctx, t, row, account, name, c.Arg, s, now)
	}
	person, err := r.speaker(ctx, row.ID, account)
	if err != nil {
		return Said{}, err
	}
	p, err := r.personByID(ctx, person)
	if err != nil {
		return Said{}, err
	}
	if p.Email == "" || p.Blocked {
		town, err := r.o.People.Current(ctx)
		if err != nil {
			return Said{}, err
		}
		out := t.plain("who_are_you", t.prefix)
		out.Link, out.Label = town.StaffURL+"/reach", town.StaffURL+"/reach"
		return out, nil
	}
	return r.Command(speaking(ctx, string(p.ID), p.Name), c, s.Prefix)
}

// speaking is a context in which a person acts by what they wrote in a messenger.
// They bring no role: they do what is theirs, and what is the lead's or the
// administration's they do in the console.
func speaking(ctx context.Context, person, name string) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: person, Name: name})
}
