package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var germanMonths = [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}

var germanDays = [...]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"}

// clockText writes a moment the way a sentence needs it. A moment of another
// day than ref carries its date, and the preposition changes with it: "um
// 14:30 Uhr", but "am 23. November um 07:30 Uhr".
type clockText struct {
	at, ref time.Time // both in the readers' location
	lang    Language
	format  Format
	prep    string
	day     bool // a day without a time
	long    bool // with weekday and year
}

func (c clockText) sameDay() bool {
	return c.at.Year() == c.ref.Year() && c.at.YearDay() == c.ref.YearDay()
}

func (c clockText) String() string {
	if c.lang == EN {
		return c.english()
	}
	return c.german()
}

func (c clockText) german() string {
	clock := c.at.Format("15:04") + " Uhr"
	if c.format == Phone {
		clock = spokenClockDE(c.at)
	}
	prep := c.prep
	space := func(s string) string {
		if prep == "" {
			return s
		}
		return prep + " " + s
	}
	if c.sameDay() && !c.day && !c.long {
		return space(clock)
	}
	if c.format == SMS || c.format == Push {
		date := c.at.Format("02.01.")
		if prep == "um" || prep == "am" {
			prep = "am"
		}
		if c.day {
			return space(date)
		}
		return space(date + " " + c.at.Format("15:04"))
	}
	date := fmt.Sprintf("%d. %s", c.at.Day(), germanMonths[c.at.Month()-1])
	if c.format == Phone {
		date = spokenOrdinalDE(c.at.Day(), prep == "") + " " + germanMonths[c.at.Month()-1]
	}
	if c.at.Year() != c.ref.Year() || c.long || c.day {
		if c.format != Phone {
			date += " " + strconv.Itoa(c.at.Year())
		}
	}
	if c.long && prep == "" {
		date = germanDays[c.at.Weekday()] + ", " + date
	}
	switch prep {
	case "um", "am":
		prep = ""
		if c.day {
			return "am " + date
		}
		return "am " + date + " um " + clock
	case "bis":
		prep = "bis zum"
	case "seit":
		prep = "seit dem"
	case "ab":
		prep = "ab dem"
	case "von":
		prep = "vom"
	}
	if c.day {
		return space(date)
	}
	return space(date + ", " + clock)
}

func (c clockText) english() string {
	clock := c.at.Format("15:04")
	if c.format == Phone {
		clock = spokenClockEN(c.at)
	}
	prep := c.prep
	space := func(s string) string {
		if prep == "" {
			return s
		}
		return prep + " " + s
	}
	if c.sameDay() && !c.day && !c.long {
		return space(clock)
	}
	if c.format == SMS || c.format == Push {
		date := c.at.Format("2 Jan")
		if prep == "at" || prep == "on" {
			prep = "on"
		}
		if c.day {
			return space(date)
		}
		return space(date + " " + clock)
	}
	date := c.at.Format("2 January")
	if c.at.Year() != c.ref.Year() || c.long || c.day {
		date = c.at.Format("2 January 2006")
	}
	if c.long && prep == "" {
		date = c.at.Format("Monday, ") + date
	}
	if c.day {
		if prep == "at" {
			prep = "on"
		}
		return space(date)
	}
	if prep == "at" || prep == "on" {
		return "on " + date + " at " + clock
	}
	return space(date + ", " + clock)
}

// DurationText says a length of time in words with at most two units, rounded
// to whole minutes: "2 Stunden und 5 Minuten". Less than a minute is "weniger
// als 1 Minute". The German form fits before "lang".
func DurationText(d time.Duration, lang Language) string {
	d = d.Round(time.Minute)
	if d < time.Minute {
		if lang == EN {
			return "less than 1 minute"
		}
		return "weniger als 1 Minute"
	}
	if d >= 24*time.Hour {
		d = d.Round(time.Hour) // minutes say nothing after a day
	}
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	names, and := [3][2]string{{"Tag", "Tage"}, {"Stunde", "Stunden"}, {"Minute", "Minuten"}}, " und "
	if lang == EN {
		names, and = [3][2]string{{"day", "days"}, {"hour", "hours"}, {"minute", "minutes"}}, " and "
	}
	var parts []string
	for i, n := range []int{days, hours, minutes} {
		if n == 0 {
			continue
		}
		name := names[i][1]
		if n == 1 {
			name = names[i][0]
		}
		parts = append(parts, strconv.Itoa(n)+" "+name)
	}
	return strings.Join(parts, and)
}

var onesDE = [...]string{"null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"}

var tensDE = [...]string{"", "", "zwanzig", "dreißig", "vierzig", "fünfzig"}

var onesEN = [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}

var tensEN = [...]string{"", "", "twenty", "thirty", "forty", "fifty"}

// numberDE writes 0 to 59 in words.
func numberDE(n int) string {
	if n < len(onesDE) {
		return onesDE[n]
	}
	if n%10 == 0 {
		return tensDE[n/10]
	}
	one := onesDE[n%10]
	if n%10 == 1 {
		one = "ein"
	}
	return one + "und" + tensDE[n/10]
}

func numberEN(n int) string {
	if n < len(onesEN) {
		return onesEN[n]
	}
	if n%10 == 0 {
		return tensEN[n/10]
	}
	return tensEN[n/10] + "-" + onesEN[n%10]
}

// spokenClockDE is the time as an announcer reads it: "vierzehn Uhr fünf".
func spokenClockDE(t time.Time) string {
	hour := numberDE(t.Hour())
	if t.Hour() == 1 || t.Hour() == 21 {
		hour = strings.TrimSuffix(hour, "s") // "ein Uhr", "einundzwanzig Uhr"
	}
	if t.Minute() == 0 {
		return hour + " Uhr"
	}
	return hour + " Uhr " + numberDE(t.Minute())
}

// spokenClockEN reads the time by the twelve-hour clock, "two oh five p.m." for
// example.
func spokenClockEN(t time.Time) string {
	half := "a.m."
	if t.Hour() >= 12 {
		half = "p.m."
	}
	hour := t.Hour() % 12
	if hour == 0 {
		hour = 12
	}
	switch m := t.Minute(); {
	case m == 0:
		return numberEN(hour) + " " + half
	case m < 10:
		return numberEN(hour) + " oh " + numberEN(m) + " " + half
	default:
		return numberEN(hour) + " " + numberEN(m) + " " + half
	}
}

// spokenOrdinalDE is a day of the month: "dreiundzwanzigster" alone, and
// "dreiundzwanzigsten" after a preposition.
func spokenOrdinalDE(n int, alone bool) string {
	var s string
	switch n {
	case 1:
		s = "erste"
	case 3:
		s = "dritte"
	case 7:
		s = "siebte"
	case 8:
		s = "achte"
	default:
		s = numberDE(n) + "te"
		if n >= 20 {
			s = numberDE(n) + "ste"
		}
	}
	if alone {
		return s + "r"
	}
	return s + "n"
}

// spokenNumbers spells out, digit by digit, every telephone number in s: a run
// of at least three digits that begins with 0, 1 or + and holds only digits,
// blanks, slashes and hyphens. Other numbers stay, a speaker reads them well.
func spokenNumbers(s string, lang Language) string {
	words := onesDE[:10]
	plus := "plus"
	if lang == EN {
		words = onesEN[:10]
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if !startsNumber(s, i) {
			b.WriteByte(s[i])
			i++
			continue
		}
		end, digits := i, 0
		for j := i; j < len(s) && strings.IndexByte("+0123456789 /-", s[j]) >= 0; j++ {
			if s[j] >= '0' && s[j] <= '9' {
				end, digits = j+1, digits+1
			}
		}
		if digits < 3 {
			b.WriteString(s[i:max(end, i+1)])
			i = max(end, i+1)
			continue
		}
		var spoken []string
		for _, r := range s[i:end] {
			switch {
			case r == '+':
				spoken = append(spoken, plus)
			case r >= '0' && r <= '9':
				spoken = append(spoken, words[r-'0'])
			}
		}
		b.WriteString(strings.Join(spoken, " "))
		i = end
	}
	return b.String()
}

func startsNumber(s string, i int) bool {
	if s[i] != '0' && s[i] != '1' && s[i] != '+' {
		return false
	}
	if i == 0 {
		return true
	}
	before := s[i-1]
	return before == ' ' || before == '(' || before == ':' || before == ','
}
