// Package fault gives errors a kind and a text key, so that one place can turn
// them into a status code and into words that say what happened, what is safe
// and what to do next. What went wrong inside stays wrapped and goes to the
// log, never to the screen.
package fault

import (
	"errors"
	"maps"
	"net/http"
)

// Kind is the small set of ways in which a request can fail.
type Kind int

// The kinds, from the caller's faults to ours.
const (
	Internal        Kind = iota // our fault; the zero value
	Invalid                     // the input is wrong; Fields says where
	NotFound                    // no such thing, or not for this tenant
	Unauthenticated             // nobody is signed in
	Forbidden                   // signed in, but not allowed
	Conflict                    // the state of things forbids it
	TooMany                     // slow down
	TooLarge                    // more than we take
	Unavailable                 // try again later
)

// Error is an error with words. Key and Args name the text shown to a person
// (a key of the room's texts); Fields maps a form field to its own text key.
type Error struct {
	Kind   Kind
	Key    string
	Args   []any
	Fields map[string]string
	Err    error
}

func (e *Error) Error() string {
	switch {
	case e.Err != nil && e.Key != "":
		return e.Key + ": " + e.Err.Error()
	case e.Err != nil:
		return e.Err.Error()
	default:
		return e.Key
	}
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is compare kind and key, so that a package can declare
// sentinels with [New] and add details with [Error.With].
func (e *Error) Is(target error) bool {
	var t *Error
	ok := errors.As(target, &t)
	return ok && e.Kind == t.Kind && e.Key == t.Key
}

// New makes an error of kind k with the text key.
func New(k Kind, key string, args ...any) *Error {
	return &Error{Kind: k, Key: key, Args: args}
}

// With returns a copy of e that wraps err.
func (e *Error) With(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// Field returns a copy of e that blames a form field with its own text key.
func (e *Error) Field(name, key string) *Error {
	c := *e
	c.Fields = make(map[string]string, len(e.Fields)+1)
	maps.Copy(c.Fields, e.Fields)
	c.Fields[name] = key
	return &c
}

// As finds the Error in err; an unknown error is Internal with no words.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Err: err}
}

// KindOf tells the kind of err.
func KindOf(err error) Kind { return As(err).Kind }

// Status maps a kind to HTTP; it is the only place that does.
func Status(k Kind) int {
	switch k {
	case Invalid:
		return http.StatusUnprocessableEntity
	case NotFound:
		return http.StatusNotFound
	case Unauthenticated:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case Conflict:
		return http.StatusConflict
	case TooMany:
		return http.StatusTooManyRequests
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
