package chattest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// The services of this file take messages by REST interfaces of their own. "rest" is
// one of a town's own making, with a key in a header, its yes in the body and 403 for
// strangers; the others are Nextcloud Talk's "Chat API" and "Bots and Webhooks",
// Zulip's "Send a message" and Wire's Roman, by their documents.
const (
	restOwn   = "rest"
	talk      = "nextcloud-talk"
	talkBot   = "nextcloud-bot"
	zulip     = "zulip"
	wireRoman = "wire"
)

func isREST(form string) bool {
	switch form {
	case restOwn, talk, talkBot, zulip, wireRoman:
		return true
	}
	return false
}

var restPath = map[string]*regexp.Regexp{
	restOwn: regexp.MustCompile(`^/api/v1/messages$`), talk: regexp.MustCompile(`^/ocs/v2\.php/apps/spreed/api/v1/chat/([a-z0-9]{4,30})$`),
	talkBot: regexp.MustCompile(`^/ocs/v2\.php/apps/spreed/api/v1/bot/([a-z0-9]{4,30})/message$`),
	zulip:   regexp.MustCompile(`^/api/v1/messages$`), wireRoman: regexp.MustCompile(`^/api/conversation$`),
}

// readREST checks a request and tells what is read.
func (s *Server) readREST(r *http.Request, body []byte) (p Post, name string, status int, err error) {
	bad := func(status int, format string, args ...any) (Post, string, int, error) {
		return Post{}, "", status, fmt.Errorf(format, args...)
	}
	at := restPath[s.Form].FindStringSubmatch(r.URL.Path)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	want := "application/json"
	if s.Form == zulip {
		want = "application/x-www-form-urlencoded"
	}
	if r.Method != http.MethodPost || kind != want || at == nil {
		return bad(http.StatusBadRequest, "%s %s of %s", r.Method, r.URL.Path, kind)
	}
	if strings.HasPrefix(s.Form, "nextcloud") && r.Header.Get("OCS-APIRequest") != "true" {
		return bad(http.StatusPreconditionFailed, "CSRF check failed")
	}
	if status := s.stranger(r); status != 0 {
		// What was sent comes back, as some error pages do it.
		return bad(status, "not allowed: %s", r.Header)
	}
	switch s.Form {
	case restOwn:
		var c struct {
			Room, Title, Text, Link, Ref string
			Urgent                       bool
		}
		if err := strict(body, &c); err != nil || c.Room == "" || c.Title == "" || c.Ref == "" || length(c.Text) > 4000 {
			return bad(http.StatusBadRequest, "%v %+v", err, c)
		}
		return Post{Title: c.Title, Text: c.Text, Link: c.Link, Urgent: c.Urgent, To: c.Room}, c.Ref, 0, nil
	case talk, talkBot:
		var c struct {
			Message string `json:"message"`
		}
		if err := strict(body, &c); err != nil || c.Message == "" {
			return bad(http.StatusBadRequest, "%v %+v", err, c)
		}
		if s.Form == talkBot && !s.signed(r, c.Message) {
			return bad(http.StatusUnauthorized, "the bot could not be verified")
		}
		if length(c.Message) > 32_000 {
			return bad(http.StatusRequestEntityTooLarge, "message too long")
		}
		return talked(c.Message, at[1])
	case zulip:
		f, err := url.ParseQuery(string(body))
		if err != nil || f.Get("type") != "stream" || f.Get("to") == "" || f.Get("topic") == "" || length(f.Get("topic")) > 60 || f.Get("content") == "" || length(f.Get("content")) > 10_000 {
			return bad(http.StatusBadRequest, "%v %.300v", err, f)
		}
		return talked(f.Get("content"), f.Get("to"))
	default:
		var c struct {
			Type string
			Text struct{ Data string }
		}
		if err := strict(body, &c); err != nil || c.Type != "text" || c.Text.Data == "" {
			return bad(http.StatusBadRequest, "%v %+v", err, c)
		}
		return talked(c.Text.Data, "")
	}
}

// talked is a post of a service that reads Markdown: nothing of it may be markup.
func talked(message, to string) (Post, string, int, error) {
	text, link := message, ""
	if i := strings.LastIndex(text, "\n\nhttp"); i >= 0 && !strings.ContainsAny(text[i+2:], " \n") {
		text, link = text[:i], text[i+2:]
	}
	for _, sign := range []string{"*", "_", "~", "`", "[", "#", "<", `@"`} {
		if strings.Count(text, sign) != strings.Count(text, sign+"\u200b") && sign != `@"` || sign == `@"` && strings.Contains(text, sign) {
			return Post{}, "", http.StatusBadRequest, fmt.Errorf("%q is markup in %.200q", sign, text)
		}
	}
	if err := quiet(text); err != nil {
		return Post{}, "", http.StatusBadRequest, err
	}
	title, rest, _ := strings.Cut(strings.ReplaceAll(text, "\u200b", ""), "\n\n")
	return Post{Title: title, Text: rest, Link: link, To: to}, message, 0, nil
}

// stranger is the status for whoever does not know the token.
func (s *Server) stranger(r *http.Request) int {
	user, password, basic := r.BasicAuth()
	switch {
	case s.Form == restOwn && (s.Token == "" || r.Header.Get("X-Api-Key") == s.Token):
	case s.Form == restOwn:
		return http.StatusForbidden
	case (s.Form == talk || s.Form == zulip) && (!basic || user == "" || s.Token != "" && password != s.Token),
		s.Form == wireRoman && s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
		return http.StatusUnauthorized
	}
	return 0
}

// signed is whether a bot of Nextcloud's proved itself over a random value of 32 to
// 64 characters and the message.
func (s *Server) signed(r *http.Request, message string) bool {
	random := r.Header.Get("X-Nextcloud-Talk-Bot-Random")
	if len(random) < 32 || len(random) > 64 {
		return false
	}
	h := hmac.New(sha256.New, []byte(s.Token))
	h.Write([]byte(random + message))
	return s.Token == "" || hmac.Equal([]byte(hex.EncodeToString(h.Sum(nil))), []byte(r.Header.Get("X-Nextcloud-Talk-Bot-Signature")))
}

// restAnswer is what the service says when it has taken a message.
func restAnswer(form, name string) (status int, body string) {
	switch form {
	case restOwn:
		return http.StatusAccepted, `{"status":"sent","message":{"id":"r-` + name + `"}}`
	case talk:
		return http.StatusCreated, `{"ocs":{"meta":{"status":"ok","statuscode":201},"data":{"id":1567,"token":"n3xtc10ud"}}}`
	case talkBot:
		return http.StatusCreated, `{"ocs":{"meta":{"status":"ok","statuscode":201},"data":[]}}`
	case zulip:
		return http.StatusOK, `{"id":42,"msg":"","result":"success","automatic_new_visibility_policy":2}`
	}
	return http.StatusOK, `{}`
}
