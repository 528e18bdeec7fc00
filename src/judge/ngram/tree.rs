//! All contexts of some tunes: what stands before a character, and which characters follow.
//!
//! The characters to be predicted are sorted by what stands before them, read backwards. Those that follow one context are then
//! neighbours, and so are those of a longer one among them: a tree, in which a node stands for all contexts that have the same places.
//! It has at most two nodes a character, however long contexts are, since most long contexts occur once.

/// A character that follows some contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Follower {
    pub character: u32,
    /// How often it follows the node's contexts.
    pub occurrences: u32,
    /// How many different characters stand before the node's longest context and this follower. For a node's shorter contexts it is 1, since all
    /// their places have the same character before them.
    pub continuations: u32,
}

/// Contexts that occur at the same places.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The length of the longest of them; the shortest is one longer than the parent's longest, at the root 0.
    pub longest: u32,
    /// One of the places, where what follows stands in [`Tree::text`].
    place: u32,
    /// Ranges of [`Tree::followers`] and [`Tree::children`].
    followers: (u32, u32),
    children: (u32, u32),
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// All tunes, each with what stands before it.
    text: Vec<u32>,
    followers: Vec<Follower>,
    /// The node of the contexts that this character more in front makes, in the order of the characters.
    children: Vec<(u32, u32)>,
    nodes: Vec<Node>,
    root: u32,
    most: u32,
}

impl Tree {
    /// The contexts of up to `most` characters of these tunes, each of which stands behind `before`; that must not be shorter than `most`.
    pub fn new(tunes: &[Vec<u32>], before: &[u32], most: usize) -> Self {
        let mut text = Vec::new();
        let mut places: Vec<u32> = Vec::new();
        for tune in tunes.iter().filter(|tune| !tune.is_empty()) {
            text.extend_from_slice(before);
            let start = text.len();
            text.extend_from_slice(tune);
            let end = u32::try_from(text.len()).expect("fewer than 2^32 characters fit into memory");
            places.extend(start as u32..end);
        }
        let context = |place: &u32| text[*place as usize - most..*place as usize].iter().rev();
        places.sort_unstable_by(|a, b| context(a).cmp(context(b)));
        let mut tree = Tree {
            text,
            followers: Vec::new(),
            children: Vec::new(),
            nodes: Vec::new(),
            root: 0,
            most: most as u32,
        };
        tree.root = tree.grow(&places, 0);
        tree
    }

    /// The character that stands so many in front of the last one of a place's context.
    fn before(&self, place: u32, so_many: u32) -> u32 {
        self.text[(place - 1 - so_many) as usize]
    }

    /// The node of some neighbours, whose contexts are known to agree in this many characters.
    fn grow(&mut self, places: &[u32], agree: u32) -> u32 {
        let (first, last) = (places[0], places[places.len() - 1]);
        // They are sorted: where the first and the last agree, all do.
        let agrees = |&length: &u32| self.before(first, length) == self.before(last, length);
        let longest = agree + (agree..self.most).take_while(agrees).count() as u32;
        let mut children = Vec::new();
        let mut found: Vec<(u32, u32)> = Vec::new();
        if longest < self.most {
            let mut rest = places;
            while let Some(&place) = rest.first() {
                let character = self.before(place, longest);
                let (these, others) =
                    rest.split_at(rest.partition_point(|p| self.before(*p, longest) <= character));
                let child = self.grow(these, longest + 1);
                children.push((character, child));
                found.extend(self.followers(child).iter().map(|f| (f.character, f.occurrences)));
                rest = others;
            }
        } else {
            found.extend(places.iter().map(|place| (self.text[*place as usize], 1)));
        }
        found.sort_unstable();
        let start = self.followers.len() as u32;
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let occurrences = same.iter().map(|f| f.1).sum();
            let continuations = if children.is_empty() { 1 } else { same.len() as u32 };
            self.followers.push(Follower { character: same[0].0, occurrences, continuations });
        }
        let followers = (start, self.followers.len() as u32);
        let start = self.children.len() as u32;
        self.children.extend(children);
        let children = (start, self.children.len() as u32);
        self.nodes.push(Node { longest, place: first, followers, children });
        self.nodes.len() as u32 - 1
    }

    fn followers(&self, node: u32) -> &[Follower] {
        let (start, end) = self.nodes[node as usize].followers;
        &self.followers[start as usize..end as usize]
    }

    /// What follows each context of a text, from the empty one on until one does not occur. `before` says the text's last character, the one
    /// before it, and so on. Each comes with whether it is its node's longest.
    pub fn walk(&self, before: impl Fn(usize) -> u32) -> impl Iterator<Item = (&[Follower], bool)> {
        let mut at = Some(self.root);
        (0..=self.most).map_while(move |length| {
            let node = &self.nodes[at? as usize];
            let longest = node.longest == length;
            let item = (self.followers(at?), longest);
            if length < self.most {
                let next = before(length as usize);
                at = if longest {
                    let children = &self.children[node.children.0 as usize..node.children.1 as usize];
                    let child = children.binary_search_by_key(&next, |(character, _)| *character);
                    child.ok().map(|child| children[child].1)
                } else {
                    at.filter(|_| self.before(node.place, length) == next)
                };
            }
            Some(item)
        })
    }

    /// Each node's followers with the lengths of its shortest and its longest context.
    pub fn nodes(&self) -> impl Iterator<Item = (&[Follower], u32, u32)> {
        let mut shortest = vec![0; self.nodes.len()];
        for node in &self.nodes {
            for (_, child) in &self.children[node.children.0 as usize..node.children.1 as usize] {
                shortest[*child as usize] = node.longest + 1;
            }
        }
        (0..)
            .zip(&self.nodes)
            .zip(shortest)
            .map(|((at, node), shortest): ((u32, &Node), u32)| (self.followers(at), shortest, node.longest))
    }
}
