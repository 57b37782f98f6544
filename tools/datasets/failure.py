"""The one error that these scripts raise on purpose: a sentence, and the way out."""


class Failure(Exception):
    """Something that the user can mend. `hint` says how."""

    def __init__(self, sentence, hint=None):
        super().__init__(sentence)
        self.hint = hint

    def __str__(self):
        sentence = super().__str__()
        return f"{sentence}; {self.hint}" if self.hint else sentence
