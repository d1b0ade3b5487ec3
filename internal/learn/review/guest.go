package review

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/statuspage"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
)

// SurveyElement is the survey's first path element on the public listener.
const SurveyElement = "umfrage"

// Survey is the public side of the room.
type Survey struct{ room *Room }

// Survey makes the form for the public listener.
func (r *Room) Survey() Survey { return Survey{r} }

// questions are asked with four answers each.
var questions = []string{"in_time", "clear", "helped"}

// Answer shows the form and takes it. A GET changes nothing.
func (s Survey) Answer(ctx context.Context, req *http.Request) (statuspage.GuestPage, error) {
	title := i18n.T(ctx, "review.survey.title")
	i := strings.Index(req.URL.Path, SurveyElement+"/")
	if i < 0 {
		return statuspage.GuestPage{}, ErrLink
	}
	token := req.URL.Path[i+len(SurveyElement)+1:]
	if strings.HasSuffix(token, "/danke") {
		return statuspage.GuestPage{Title: title, Body: thanksPage()}, nil
	}
	in, _, err := s.room.openLink(ctx, token)
	if err != nil {
		return statuspage.GuestPage{}, err
	}
	about, err := s.room.about(ctx, in)
	if err != nil {
		return statuspage.GuestPage{}, err
	}
	exercise := in.Realm == incident.Exercise
	if exercise {
		title = i18n.T(ctx, "review.survey.title_exercise")
	}
	if req.Method != http.MethodPost {
		return statuspage.GuestPage{Title: title, Body: surveyPage(about, exercise, nil, "")}, nil
	}
	if err := req.ParseForm(); err != nil {
		return statuspage.GuestPage{}, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	number := func(name string) int {
		n, err := strconv.Atoi(req.PostForm.Get(name))
		if err != nil {
			return 0 // not answered
		}
		return n
	}
	err = s.room.Take(ctx, token, Answer{
		InTime: number("in_time"), Clear: number("clear"), Helped: number("helped"),
		Text: strings.ToValidUTF8(strings.ReplaceAll(req.PostForm.Get("text"), "\x00", ""), "\uFFFD"),
	})
	if fault.KindOf(err) == fault.Invalid && err != nil {
		f := fault.As(err)
		return statuspage.GuestPage{
			Status: http.StatusUnprocessableEntity, Title: title, Body: surveyPage(about, exercise, req.PostForm, i18n.T(ctx, f.Key, f.Args...)),
		}, nil
	}
	if err != nil {
		return statuspage.GuestPage{}, err
	}
	return statuspage.GuestPage{To: req.URL.Path + "/danke"}, nil
}
