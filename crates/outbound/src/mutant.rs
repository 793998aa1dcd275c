//! Deliberate mistakes, so that the simulation can show that it would see them.
//!
//! `mutant!(Name)` is `false`, and what hangs on it is gone, unless the feature `mutants` is on, which no program
//! has. With it, one mistake can be chosen for the current thread.

/// Says whether a deliberate mistake is to be made here.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        false
    };
}

/// Says whether a deliberate mistake is to be made here.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::Mutant::$name.is_chosen()
    };
}

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` is for tests only");

#[cfg(feature = "mutants")]
pub use chosen::Mutant;

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    macro_rules! mutants {
        ($($(#[doc = $mistake:literal])+ $name:ident,)+) => {
            /// A deliberate mistake.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Mutant {
                $($(#[doc = $mistake])+ $name,)+
            }

            impl Mutant {
                /// All of them.
                pub const ALL: &[Self] = &[$(Self::$name,)+];
            }
        };
    }

    mutants! {
        /// The cursor moves when a page is listed, before its samples are staged.
        CursorBeforeStaging,
        /// Answers are not written down.
        SettleSkipped,
        /// A run reads from the cursor on, without an overlap.
        OverlapForgotten,
        /// An answer that refuses some objects counts for all as accepted.
        PartialErrorsIgnored,
        /// A sample that cannot be read is not remembered.
        OpenSampleForgotten,
        /// Uploads go out as fast as they can.
        PaceIgnored,
        /// A wait that a service asks for holds nobody else back.
        WaitIgnored,
        /// What is not sent leaves no receipt.
        ReceiptsLost,
        /// What was on its way when a process ended is sent as if it were new.
        LostAnswerSentAsNew,
        /// Every request asks for a token of its own.
        TokenRefetched,
        /// A token is used after its end.
        ExpiredTokenUsed,
        /// Nothing new is still sent.
        UnchangedSentAgain,
        /// A sample that fails takes the next one with it.
        FailureSpreads,
        /// What Sentinel refuses is forgotten.
        QuarantineForgotten,
        /// What the last run left is not sent.
        OutboxNotDrained,
        /// A new version is dated before the one that it replaces.
        ModifiedGoesBack,
        /// The rest of a long list is not asked for.
        ContinuationForgotten,
        /// Only the first page of a window is read.
        PagesForgotten,
        /// The time budget is not kept.
        BudgetIgnored,
        /// The answer to an older version settles a newer one.
        NewerVersionForgotten,
    }

    impl Mutant {
        /// Makes this mistake, or none, on the current thread from now on.
        pub fn choose(mutant: Option<Self>) {
            CHOSEN.set(mutant);
        }

        /// Says whether it is to be made.
        pub fn is_chosen(self) -> bool {
            CHOSEN.get() == Some(self)
        }
    }
}
